"""Reality: Locust walks visits against a URL. Only this room imports Locust and gevent."""
