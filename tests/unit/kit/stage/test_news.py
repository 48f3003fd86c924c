"""What wakes those who sleep."""

from services.kit.stage import News


def test_everybody_who_subscribed_hears_of_it() -> None:
    """Each has an event of its own, so that nobody takes the news from another."""
    news = News()
    first, second = news.subscribe(), news.subscribe()
    news.spread()
    first.clear()

    assert (False, True) == (first.is_set(), second.is_set())
