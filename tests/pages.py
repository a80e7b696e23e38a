"""What stands in a page or a piece of HTML, for tests that look at it."""

from html.parser import HTMLParser


class Found(HTMLParser):
    "Elements as (tag, attributes), their tags, all attributes as (name, value), and the text."

    def __init__(self, text):
        super().__init__()
        self.elements, self.attrs, self.text = [], [], ''
        self.feed(text)
        self.close()

    @property
    def tags(self):
        return [tag for tag, _ in self.elements]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self.attrs += attrs

    def handle_data(self, data):
        self.text += data
