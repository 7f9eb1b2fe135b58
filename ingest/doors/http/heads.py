"""HEAD, answered wherever GET is."""

from typing import Any

from falcon.routing import CompiledRouter


class HeadRouter(CompiledRouter):
    """A router that gives each resource with GET the method HEAD.

    The framework sends the status and the headers of the answer and leaves its body
    out; of a stream, nothing is read.
    """

    def map_http_methods(self, resource: object, **kwargs: Any) -> Any:
        """Return the responders of `resource` by their methods."""
        methods: Any = super().map_http_methods(resource, **kwargs)
        if "GET" in methods:
            methods.setdefault("HEAD", methods["GET"])
        return methods
