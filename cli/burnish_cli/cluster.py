"""One OptimizedModel in the cluster of the kubeconfig: read, or changed as its user would."""

from collections.abc import Callable
from typing import Any

import yaml

from burnish_engine.errors import BurnishError, NotFound, StalledError, TransientError

GROUP, VERSION, PLURAL = "burnish.dev", "v1alpha1", "optimizedmodels"
MERGE = "application/merge-patch+json"
Scope = tuple[str | None, str | None]
"""Context and namespace, where they were given."""


class ClusterRefusedError(StalledError):
    """The API server, or the kubeconfig, does not let us."""


class ClusterUnavailableError(TransientError):
    """No API server answers."""


def read(scope: Scope, name: str) -> dict[str, Any]:
    """The object as the API server has it.

    Raises: NotFound, ClusterRefusedError (the user must act), ClusterUnavailableError.
    """
    return _ask(scope, name, lambda api, place: api.get_namespaced_custom_object(*place))


def patch(scope: Scope, name: str, change: dict[str, Any]) -> dict[str, Any]:
    """The object after a merge patch. Raises: as `read`."""
    return _ask(
        scope,
        name,
        lambda api, place: api.patch_namespaced_custom_object(*place, change, _content_type=MERGE),
    )


def _ask(scope: Scope, name: str, call: Callable[[Any, tuple[str, ...]], Any]) -> dict[str, Any]:
    import kubernetes  # noqa: PLC0415 - only these commands need it, and it takes a second
    import urllib3  # noqa: PLC0415

    context, namespace = scope
    try:
        kubernetes.config.load_kube_config(context=context)
        contexts, active = kubernetes.config.list_kube_config_contexts()
        chosen = next((c for c in contexts if c["name"] == context), active)
        space = namespace or (chosen or {}).get("context", {}).get("namespace") or "default"
        api = kubernetes.client.CustomObjectsApi()
        return dict(call(api, (GROUP, VERSION, space, PLURAL, name)))
    except (kubernetes.config.ConfigException, yaml.YAMLError) as error:
        raise ClusterRefusedError(
            "kubeconfig", found=str(error), expected="a readable kubeconfig", remedy="Set KUBECONFIG."
        ) from error
    except kubernetes.client.ApiException as error:
        raise _refused(f"OptimizedModel {space}/{name}", error.status, error.reason) from error
    except urllib3.exceptions.HTTPError as error:
        raise ClusterUnavailableError("API server", found=str(error), expected="an answer") from error


def _refused(subject: str, status: int, reason: str) -> BurnishError:
    if status == 404:
        return NotFound(
            subject, found="no such object", expected="one", remedy="List them: kubectl get om -A"
        )
    refused = 400 <= status < 500 and status != 429
    kind: type[BurnishError] = ClusterRefusedError if refused else ClusterUnavailableError
    return kind(subject, found=f"{status} {reason}", expected="access")
