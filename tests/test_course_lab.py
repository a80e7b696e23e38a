"""A student at work in JupyterLab: a blank shows its message, and the solution turns the check green."""

import os
import re
from pathlib import Path

import course
import nbformat
import pytest
from conftest import run_cells
from playwright.sync_api import expect

ROOT = Path(__file__).resolve().parents[1]

LESSON = ROOT / 'nbs/course/01_nmf.ipynb'


def solution(nb, name):
    "The lesson's own answer."
    return next(c.source for c in nb.cells if f'def {name}(' in c.source and course.SOLUTION.search(c.source))


def write(page, name, text):
    "Put a text in place of the cell that defines a function."
    page.locator('.jp-Notebook .jp-CodeCell', has_text=f'def {name}(').first.locator('.cm-content').click()
    page.keyboard.press('Control+a')
    page.keyboard.insert_text(text)


def photograph(page, what, name):
    "A picture of what a student sees, in the folder that SHOTS names."
    if folder := os.environ.get('SHOTS'):
        what.scroll_into_view_if_needed()
        page.screenshot(path=Path(folder) / f'{name}.png')


@pytest.mark.slow
def test_student_works_through_a_lesson(lab, open_notebook):
    nb = nbformat.read(LESSON, 4)
    nbformat.write(course.student(nb), lab.root / 'student.ipynb')
    page = open_notebook('student.ipynb')
    said = page.locator('.jp-Notebook .jp-OutputArea-output', has_text='Not yet:')
    expect(said).to_have_count(1, timeout=60_000)  # the first blank stops the run
    expect(said).to_contain_text('there is nothing here yet')
    expect(page.locator('.ntf-right')).to_have_count(0)
    photograph(page, said, 'student_1_blank')

    write(page, 'objective', 'def objective(X, W, H): return ((X - W@H.T)**2).sum()')
    run_cells(page, 60_000)
    expect(said).to_contain_text('the ½ is missing', timeout=60_000)
    photograph(page, said, 'student_2_half')

    write(page, 'objective', 'def objective(X, W, H): return .5*((X - W@H)**2).sum()')
    run_cells(page, 60_000)
    expect(said).to_contain_text('stopped at `W@H`, where `W` is (7, 3) and `H` is (5, 3)', timeout=60_000)
    expect(said).to_contain_text('One change away: with a transpose in `W@H` it would be right.')
    photograph(page, said, 'student_3_shape')
    expect(page.get_by_text('half_square =')).to_have_count(0)  # the check's own lines are not shown

    write(page, 'objective', solution(nb, 'objective'))
    run_cells(page, 60_000)
    right = page.locator('.ntf-right')
    expect(right).to_have_text(re.compile('Exercise 1.1 is right'), timeout=60_000)
    expect(right).to_have_css('border-left-color', 'rgb(0, 158, 115)')
    expect(said).to_contain_text('there is nothing here yet')  # now of the next exercise
    photograph(page, right, 'student_4_right')
