"""What a browser may do with a page, and when it need not fetch it again."""

from flask import Flask, g

from gateway.web import pages


def test_a_fragment_that_has_not_changed_is_not_sent_again(app: Flask) -> None:
    with app.test_request_context():
        etag = pages.live("dashboard/problem.html", title="a", words="b").headers["ETag"]
    with app.test_request_context(headers={"If-None-Match": etag}):
        assert pages.live("dashboard/problem.html", title="a", words="b").status_code == 304
        assert pages.live("dashboard/problem.html", title="a", words="c").status_code == 200


def test_the_token_of_its_forms_is_no_change(app: Flask) -> None:
    etags = []
    for token in ("one", "other"):
        with app.test_request_context():
            g.csrf_token = token
            etags.append(pages.live("dashboard/problem.html", title=token, words="b").headers["ETag"])
    assert etags[0] == etags[1]


def test_a_page_is_kept_by_nobody_and_runs_nothing_inline(app: Flask) -> None:
    with app.test_request_context():
        response = pages.protect(pages.page("dashboard/problem.html", title="a", words="b"))
    assert response.headers["Cache-Control"] == "no-store"
    policy = response.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy


def test_a_directive_may_differ(app: Flask) -> None:
    with app.test_request_context():
        response = pages.protect(pages.page("dashboard/problem.html"), frame_ancestors="https://shop.example")
    assert "frame-ancestors https://shop.example" in response.headers["Content-Security-Policy"]


def test_a_query_keeps_what_was_asked_and_drops_what_is_empty(app: Flask) -> None:
    with app.test_request_context("/x?status=failed&after=pay_1&q="):
        assert pages.query(after=None) == "?status=failed"
        assert pages.query({"sort": "amount"}, after=None) == "?status=failed&sort=amount"
