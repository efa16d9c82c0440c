from dashboards import page, theme


def test_a_section_can_be_linked_to() -> None:
    assert page.section("A &amp; B", "<p>x</p>", "a-b") == (
        '<section id="a-b"><h2>A &amp; B</h2><p>x</p></section>'
    )
    assert page.section("A", "") == "<section><h2>A</h2></section>"


def test_a_drawing_has_no_title_and_leaves_the_figure_as_it_was() -> None:
    figure = theme.figure("A title of its own")
    top = figure.layout.template.layout.margin.t
    html = page.drawing(figure)
    assert "A title of its own" not in html
    assert f'"margin":{{"t":{top - theme.TITLE_PIXELS}}}' in html
    assert figure.layout.title.text == "A title of its own"
    assert figure.layout.margin.t is None


def test_a_drawing_offers_to_send_nothing() -> None:
    assert '"showSendToCloud": false' in page.drawing(theme.figure("x"))


def test_numbers_stand_to_the_right_of_their_column() -> None:
    html = page.table(["name", "n"], [["a", "1"]], numeric=["n"])
    assert '<th>name</th><th class="number">n</th>' in html
    assert '<td>a</td><td class="number">1</td>' in html


def test_words_are_a_heading_a_text_and_a_list_where_there_is_one() -> None:
    assert page.words([("A", "b", ["c"]), ("D", "e", [])]) == (
        '<dl class="words"><dt>A</dt><dd>b<ul><li>c</li></ul></dd><dt>D</dt><dd>e</dd></dl>'
    )


def test_the_name_of_a_fact_is_escaped() -> None:
    assert "<dt>a&lt;b</dt><dd><i>c</i></dd>" in page.facts([("a<b", "<i>c</i>")])


def test_names_of_rows_are_left_out_of_a_drawing() -> None:
    figure = theme.figure("").add_scatter(x=[1], y=[2], customdata=["the name of a row"])
    assert "the name of a row" not in page.drawing(figure)
    assert figure.data[0].customdata == ("the name of a row",)
