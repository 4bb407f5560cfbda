"""What all charts have in common."""

from experiments.results.page.look import axis_of, plain, safe, shortened


def test_markup_in_a_name_is_shown_as_it_is_written() -> None:
    assert safe("<b>'x'</b>") == "&lt;b&gt;&#x27;x&#x27;&lt;/b&gt;"


def test_long_names_are_cut_with_a_mark() -> None:
    assert (shortened("abc", 3), shortened("abcd", 3)) == ("abc", "ab\N{HORIZONTAL ELLIPSIS}")


def test_few_whole_numbers_are_marked_as_they_are() -> None:
    assert axis_of([181_162]) == {"tickmode": "array", "tickvals": [181_162], "ticktext": ["181,162"]}
    assert axis_of([181_162, 4_210_090])["type"] == "log"


def test_an_axis_is_logarithmic_where_values_lie_far_apart() -> None:
    assert axis_of([1.0, 2.0, 8.0]) == {}
    found = axis_of([0.5, 9.0])
    assert found["type"] == "log"
    assert found["ticktext"] == ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20", "50"]
    assert axis_of([0.0, 9.0]) == {}


def test_a_chart_has_no_colours_of_plotlys() -> None:
    import plotly.graph_objects as go

    layout = plain(go.Figure(), "x", "y", legend_rows=2)["layout"]
    assert layout["paper_bgcolor"] == layout["plot_bgcolor"] == "rgba(0,0,0,0)"
    assert layout["height"] == 380 + 44
    assert layout["template"].get("layout", {}) == {}
