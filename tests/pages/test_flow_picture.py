"""A flow is laid out so that nothing overlaps and every line ends at its boxes."""

import itertools

import pytest

from pages.flow_picture import BOX_HEIGHT, BOX_WIDTH, WIDTH, picture

pytestmark = pytest.mark.req("B15")


def box(key, on_path=False, title="create_shipment()"):
    return {"key": key, "node_id": 1, "title": title, "subtitle": "service.py:88", "on_path": on_path}


def flow(*columns, links=()):
    names = ("trigger", "route", "code", "data")
    return {
        "columns": [
            {"name": name, "title": name.title(), "boxes": boxes, "more": more}
            for name, (boxes, more) in zip(names, columns, strict=True)
        ],
        "links": [{"source": a, "target": b, "label": "", "on_path": True} for a, b in links],
    }


def test_boxes_do_not_overlap_and_stay_inside():
    drawn = picture(
        flow(([box("a"), box("b")], 5), ([box("c")], 0), ([], 1900), ([box(f"d{n}") for n in range(6)], 84))
    )
    for one, other in itertools.combinations(drawn.boxes, 2):
        assert abs(one.x - other.x) >= BOX_WIDTH or abs(one.y - other.y) >= BOX_HEIGHT
    assert max(each.x for each in drawn.boxes) + BOX_WIDTH <= WIDTH
    assert max(each.y for each in drawn.boxes) + BOX_HEIGHT < drawn.height


def test_what_is_folded_away_is_said_with_its_number():
    drawn = picture(flow(([box("a")], 61), ([], 303), ([box("c")], 0), ([box("d")], 1)))
    assert [each.title for each in drawn.boxes if each.is_more] == ["61 more", "303 more routes", "1 more"]


def test_a_line_to_a_box_that_is_not_drawn_is_left_out():
    links = [("a", "d"), ("a", "nowhere")]
    assert len(picture(flow(([box("a")], 0), ([], 0), ([], 0), ([box("d")], 0), links=links)).lines) == 1


def test_long_names_are_cut_and_kept_whole_in_the_title():
    long = "a_function_with_a_name_that_does_not_fit_into_any_box()"
    drawn = picture(flow(([box("a", title=long)], 0), ([], 0), ([], 0), ([], 0)))
    assert drawn.boxes[0].title == long
    assert drawn.boxes[0].title_cut.endswith("…") and len(drawn.boxes[0].title_cut) < len(long)
