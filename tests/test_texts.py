"""Texts and long tables as tensors: every kind of column gives the same tensor, and losses are counted."""

import datetime
import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import make_pipeline

from ntf_lit import NCPD, NMF, StratifiedNMF, StratifiedNTF, TopicBrowser, table_tensor, text_tensor
from ntf_lit.exploring import explore
from ntf_lit.synthetic import Dataset
from ntf_lit.texts import date_periods

TEXTS = ['gold tax gold', 'war tax', 'gold war', 'tax on war', 'gold']
GROUPS = ['x', 'y', 'x', 'y', 'x']
TIMES = ['2019-01-31', '2019-02-01', '2019-02-28', '2020-01-01', '2019-01-01']
WRITERS = ['ann', 'bob', 'ann', 'cy', 'ann']
counts = CountVectorizer()


def dense(A):
    if hasattr(A, 'toarray'):
        return A.toarray()
    if not hasattr(A, 'coords'):
        return np.asarray(A)
    T = np.zeros(A.shape)
    np.add.at(T, tuple(A.coords), A.data)
    return T


def same(a, b):
    assert (a.modes, a.labels, a.strata, a.samples, a.info) == (
        b.modes,
        b.labels,
        b.strata,
        b.samples,
        b.info,
    )
    for A, B in zip(a.tensors, b.tensors, strict=True):
        np.testing.assert_array_equal(dense(A), dense(B))


def series(module, **kw):
    return getattr(pytest.importorskip(module), 'DataArray' if module == 'xarray' else 'Series')


def days(values):
    return [datetime.date.fromisoformat(v) for v in values]


COLUMNS = {
    'tuple': lambda v: tuple(v),
    'array': lambda v: np.array(v),
    'objects': lambda v: np.array(v, object),
    'pandas': lambda v: series('pandas')(v),
    'pandas string': lambda v: series('pandas')(v, dtype='string'),
    'pandas category': lambda v: series('pandas')(v, dtype='category'),
    'polars': lambda v: series('polars')(v),
    'xarray': lambda v: series('xarray')(v),
}
DATES = {
    'dates': days,
    'datetimes': lambda v: [datetime.datetime.fromisoformat(x + 'T23:00') for x in v],
    'datetime64': lambda v: np.array(v, 'datetime64[s]'),
    'pandas': lambda v: pytest.importorskip('pandas').to_datetime(v),
    'zone': lambda v: pytest.importorskip('pandas').to_datetime(v).tz_localize('Asia/Tokyo'),
    'period': lambda v: pytest.importorskip('pandas').to_datetime(v).to_period('M'),
    'polars': lambda v: series('polars')(days(v)),
    'xarray': lambda v: series('xarray')(np.array(v, 'datetime64[ns]')),
    'with hours': lambda v: [x + 'T12:30:00Z' for x in v],
}


@pytest.mark.parametrize('kind', COLUMNS)
@pytest.mark.parametrize('samples', [None, WRITERS], ids=['texts', 'writers'])
def test_kinds_of_columns(kind, samples):
    make = COLUMNS[kind]
    of = lambda make: dict(samples=samples and make(samples), vectorizer=counts, period='month')
    plain = text_tensor(TEXTS, GROUPS, TIMES, **of(list))
    same(text_tensor(make(TEXTS), make(GROUPS), make(TIMES), **of(make)), plain)


@pytest.mark.parametrize('kind', DATES)
@pytest.mark.parametrize('period', ['month', 'quarter', 'year', 2])
def test_kinds_of_dates(kind, period):
    assert [*map(str, date_periods(DATES[kind](TIMES), period))] == [*map(str, date_periods(TIMES, period))]


@given(st.lists(st.dates(datetime.date(1, 1, 1)), min_size=1, max_size=200), st.integers(1, 300))
def test_periods_are_in_order(times, years):
    for period in 'auto', 'day', 'month', 'quarter', 'year', years:
        p = date_periods(times, period)
        assert len(p.index) == len(times) and set(p.index) == set(range(len(p.names)))
        assert len(set(p.names)) == len(p.names) and p.names == sorted(p.names)
        order = np.argsort(p.index, kind='stable')
        later = [times[i] for i in order]
        bins = p.index[order]
        assert all(a < b for a, b, i, j in zip(later, later[1:], bins, bins[1:]) if i < j)
        assert period != 'auto' or len(p.names) <= 60


holes = st.lists(st.sampled_from([None, '', 'gold', 'gold tax', 'war']), min_size=1, max_size=30)


@given(holes, st.data())
def test_what_is_left_out_is_counted(texts, draw):
    one = st.sampled_from([None, float('nan'), 'a', 'b'])
    groups = draw.draw(st.lists(one, min_size=len(texts), max_size=len(texts)))
    whole = [(t, g) for t, g in zip(texts, groups) if t and isinstance(g, str)]
    if not whole:
        with pytest.raises(ValueError, match='nothing is left'):
            text_tensor(texts, groups)
        return
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter('always')
        d = text_tensor(texts, groups, vectorizer=counts)
    assert sum(A.shape[0] for A in d.tensors) == len(whole)
    assert bool(said) == (len(whole) < len(texts)) == bool(d.note)
    gone = len(texts) - len(whole)
    assert gone == sum(int(part.split()[0]) for part in d.note[16:].split(', ') if ' without ' in part)
    for name, A, names in zip(d.strata, d.tensors, d.samples):
        assert [texts[int(n.split()[1]) - 1] for n in names] == [t for t, g in whole if g == name]
        np.testing.assert_array_equal(dense(A).sum(1), [len(t.split()) for t, g in whole if g == name])


rows = st.lists(
    st.tuples(st.sampled_from('ab'), st.integers(1990, 1994), st.booleans()), min_size=1, max_size=20
)


@given(rows.filter(lambda rows: any(said for *_, said in rows)))
@pytest.mark.filterwarnings('ignore:texts left out')
def test_dates_and_words_stand_beside_their_texts(rows):
    "In every stratum, whatever the order, also where texts between have no word of the vocabulary."
    groups, years, _ = map(list, zip(*rows))
    texts = [f'gold w{i}' if said else 'a' for i, (*_, said) in enumerate(rows)]
    d = text_tensor(texts, groups, years, vectorizer=counts, period='year')
    for s, (A, names) in enumerate(zip(d.tensors, d.samples)):
        at = [int(name.split()[1]) - 1 for name in names]
        assert at == [i for i, (group, _, said) in enumerate(rows) if said and group == d.strata[s]]
        assert d.info['year'][s] == [years[i] for i in at] and d.texts[s] == [texts[i] for i in at]
        own = [d.labels['term'].index(f'w{i}') for i in at]
        assert (dense(A)[np.arange(len(at)), own] == 1).all()
    writers = [f'writer {i % 3}' for i in range(len(rows))]
    d = text_tensor(texts, groups, years, samples=writers, vectorizer=counts, period='year')
    for i, ((group, year, said), writer) in enumerate(zip(rows, writers)):
        if said:
            s = d.strata.index(group)
            n, k = d.samples[s].index(writer), d.labels['year'].index(str(year))
            assert dense(d.tensors[s])[n, k, d.labels['term'].index(f'w{i}')] == 1
            assert texts[i] in d.passages[s][n][k]


@given(st.lists(st.sampled_from(['2019-03-04', '2019-04', '2020']), min_size=1, max_size=9))
def test_periods_are_no_finer_than_the_date_known_least(times):
    least = min(t.count('-') for t in times)
    assert date_periods(times).unit == ('year', 'month', 'day')[least]


cells = st.tuples(
    st.sampled_from('abc'), st.sampled_from([2019, 2020]), st.sampled_from('xyz'), st.integers(0, 9)
)


@given(st.lists(cells, min_size=1, max_size=40), st.booleans())
def test_tables_are_the_sum_of_their_rows(rows, sparse):
    table = dict(zip(('who', 'year', 'what', 'n'), map(list, zip(*rows))))
    d = table_tensor(table, ['who', 'year', 'what'], 'n', aggregate='sum', sparse=sparse)
    T = dense(d.X)
    assert T.sum() == sum(n for *_, n in rows)
    for who, year, what, _ in rows:
        at = d.samples[0].index(who), d.labels['year'].index(str(year)), d.labels['what'].index(what)
        assert T[at] == sum(n for *key, n in rows if key == [who, year, what])
    by = table_tensor(table, ['who', 'what'], strata='year', sparse=sparse)
    assert sum(dense(A).sum() for A in by.tensors) == len(rows)


@pytest.mark.parametrize('module', ['pandas', 'polars'])
def test_kinds_of_tables(module):
    table = dict(who=['b', 'a', 'b'], what=['x', 'y', None], n=[1.0, None, 3.0])
    frame = pytest.importorskip(module).DataFrame(table)
    for value in None, 'n':
        with pytest.warns(UserWarning, match='rows left out: 1 without what'):
            plain, d = (table_tensor(t, ['who', 'what'], value) for t in (table, frame))
        same(plain, d)


@pytest.mark.parametrize('sparse', [True, False])
def test_fits_and_browsers_take_them(sparse):
    by_stratum = lambda d: dict(zip(d.strata, d.tensors))
    given = dict(vectorizer=counts, sparse=sparse)
    d = text_tensor(TEXTS, GROUPS, TIMES, **given)
    TopicBrowser(NMF(2, max_iter=5).fit(d.X), d)
    TopicBrowser(StratifiedNMF(2, max_iter=5).fit(by_stratum(d)), d)
    d = text_tensor(TEXTS, GROUPS, TIMES, samples=WRITERS, period='year', **given)
    TopicBrowser(NCPD(2, max_iter=5).fit(d.X), d)
    TopicBrowser(StratifiedNTF(1, max_iter=5).fit(by_stratum(d)), d)


def test_a_pipeline_counts_words():
    both = make_pipeline(CountVectorizer(), TfidfTransformer())
    a, b = text_tensor(TEXTS, vectorizer=both), text_tensor(TEXTS)
    assert a.labels == b.labels
    np.testing.assert_allclose(dense(a.X), dense(b.X), rtol=1e-12)
    new = text_tensor(['gold sea'], vectorizer=both.fit(TEXTS))
    assert new.labels == a.labels and dense(new.X).tolist() == [[1, 0, 0, 0]]


def test_nothing_of_the_callers_is_changed():
    words, times = CountVectorizer(), np.array(TIMES, 'datetime64[D]')
    before = dict(vars(words)), times.copy()
    text_tensor(TEXTS, GROUPS, times, vectorizer=words)
    assert vars(words) == before[0] and (times == before[1]).all()


# --- from texts to a page ---

PILE = [f'{a} and the {b} of the {c}' for a, b, c in itertools.product(
    ('tax', 'gold', 'war', 'peace'), ('bank', 'ship', 'farm'), ('north', 'south'))]  # fmt: skip


@pytest.mark.parametrize('columns', list(itertools.permutations(['short', 'body', 'party', 'year']))[::5])
@pytest.mark.parametrize('seed', [0, 3])
def test_explore_is_its_steps(columns, seed):
    "The longest texts of a table, its groups and its years, whatever their order: as if by hand."
    n = len(PILE)
    facts = dict(short=[f'id {i}' for i in range(n)], body=PILE, year=[1950 + i // 8 for i in range(n)])
    facts['party'] = ['b' if i % 3 else 'a' for i in range(n)]
    table = pd.DataFrame({name: facts[name] for name in columns})
    found = explore(table, 'party', 'year', topics=2, random_state=seed, max_iter=40, front='core')
    words = TfidfVectorizer(stop_words='english', max_features=5000)
    data = text_tensor(PILE, facts['party'], facts['year'], vectorizer=words)
    model = StratifiedNMF(2, random_state=seed, max_iter=40).fit(data)
    np.testing.assert_array_equal(found.model.components_, model.components_)
    assert found.browser.data.strata == ['a', 'b']
    assert found.browser.data.course['labels'] == ['1950', '1951', '1952']
    for s, party in enumerate('ab'):
        rows = [i for i in range(n) if facts['party'][i] == party]
        assert [found.browser.read(sum(facts['party'].count(p) for p in 'ab'[:s]) + k)['text']
                for k in range(len(rows))] == [PILE[i] for i in rows]  # fmt: skip


GERMAN = ['der Krieg und die Steuer', 'die Bank, das Gold', 'ein Schiff im Norden'] * 8


@pytest.mark.parametrize('texts, stop', [(PILE, 'english'), (GERMAN, None)])
def test_explore_chooses_words(texts, stop):
    "Common words go where texts are English; every word of few texts counts, rare ones of many do not."
    found = explore(texts, topics=2, front='core')
    words = TfidfVectorizer(stop_words=stop).fit(texts)
    assert found.data.labels['term'] == list(words.get_feature_names_out())
    assert explore([*texts[:2], 'zebra'], topics=9, front='core').model.rank == 3
    many = explore([*texts * 3, f'{texts[0]} zebra'], topics=2, front='core').data.labels['term']
    assert 'zebra' not in many and len(many) > 2
    assert 'zebra' in explore([*texts[:9], 'zebra'], topics=2, front='core').data.labels['term']


def test_explore_a_table_of_numbers():
    "Its groups are no column of it; topics are as many as there are samples in all groups."
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((5, 4)), columns=list('wxyz')).assign(half=list('aabbb'), year=range(5))
    found = explore(table, 'half', 'year', topics=4, front='core')
    assert found.model.rank == 4 and found.model.components_.shape == (4, 4)
    np.testing.assert_array_equal(
        found.model.components_,
        StratifiedNMF(4, random_state=0).fit(table[list('wxyz')], strata=table['half']).components_,
    )
    parts = Dataset('two', [rng.random((2, 4)), rng.random((3, 4))], dict(term=list('wxyz')), ['a', 'b'])
    assert explore(parts, topics=5, front='core').model.rank == 5


@given(st.integers(50, 70), st.dates(datetime.date(1900, 1, 1), datetime.date(2000, 1, 1)))
def test_the_finest_period_that_makes_sixty_at_most(n, first):
    times = [first + datetime.timedelta(int(i)) for i in range(n)]
    assert date_periods(times).unit == ('day' if n <= 60 else 'month')


@pytest.mark.parametrize('period, fits', [('day', 3), ('month', 2), ('quarter', 2), ('year', 1), (5, 1)])
def test_a_period_is_known_or_refused(period, fits):
    "A month does not tell the day, a year does not tell the month."
    for parts, time in enumerate(('2019', '2019-03', '2019-03-07'), 1):
        if parts >= fits:
            assert len(date_periods([time], period).names) == 1
        else:
            with pytest.raises(ValueError, match=f'does not tell the {period}'):
                date_periods([time], period)
