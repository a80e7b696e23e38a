// Displayed formulas that are wider than the page are set smaller, down to three fifths.
const SMALLEST = .6;

function fit() {
  for (const box of document.querySelectorAll('mjx-container[display="true"]')) {
    box.style.fontSize = '';
    const drawn = box.querySelector('svg');
    const room = box.parentElement.clientWidth;
    const ratio = drawn && room ? room / drawn.getBoundingClientRect().width : 1;
    if (ratio < 1) box.style.fontSize = `${Math.floor(100 * Math.max(SMALLEST, ratio))}%`;
  }
}

addEventListener('load', () => window.MathJax?.startup?.promise?.then(() => { fit(); addEventListener('resize', fit); }));
