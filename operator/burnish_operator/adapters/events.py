"""`ports.Events` as core/v1 Events: one object per (about, reason, message), counted, as kubelets do it."""

import hashlib
import logging
import os

from burnish_engine.errors import BurnishError
from burnish_engine.redact import sanitized
from burnish_operator.adapters.kubernetes import KubernetesCluster
from burnish_operator.errands import Errands
from burnish_operator.errors import ClusterConflict
from burnish_operator.names import MANAGER
from burnish_operator.ports import EVENT, Clock, Event, Object

_log = logging.getLogger(__name__)
# The API server refuses longer messages (validation of core/v1 Event).
MAX_MESSAGE = 1024


class KubernetesEvents:
    """Posts events; the same event again raises a count instead of making one more object.

    They are most of what a turn would wait for, and nothing hangs on them: they are posted beside the turns.
    """

    def __init__(self, cluster: KubernetesCluster, clock: Clock, errands: Errands) -> None:
        self._cluster, self._clock, self._errands = cluster, clock, errands

    def publish(self, about: Object, event: Event) -> None:
        """Post, or count, soon. A lost event is logged and otherwise ignored: status tells the truth."""
        body = self._body(about, event)
        self._errands.run(body["involvedObject"]["uid"], lambda: self._post(body))

    def _post(self, body: Object) -> None:
        try:
            self._cluster.create(body)
        except ClusterConflict:
            self._count(body)
        except BurnishError as error:
            _log.warning("event %s was not posted: %s", body["reason"], error)

    def _count(self, body: Object) -> None:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            known = self._cluster.get(EVENT, namespace, name) or {}
            fresh = {"count": known.get("count", 1) + 1, "lastTimestamp": body["lastTimestamp"]}
            self._cluster.patch(EVENT, namespace, name, fresh)
        except BurnishError as error:
            _log.warning("event %s was not counted: %s", name, error)

    def _body(self, about: Object, event: Event) -> Object:
        metadata = about["metadata"]
        namespace = metadata.get("namespace") or "default"
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        message = sanitized(event.message)[:MAX_MESSAGE]
        known_by = f"{metadata.get('uid', '')}|{event.reason}|{message}"
        suffix = hashlib.sha256(known_by.encode()).hexdigest()[:16]
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name'][:200]}.{suffix}", "namespace": namespace},
            "involvedObject": {
                "apiVersion": about["apiVersion"],
                "kind": about["kind"],
                "name": metadata["name"],
                "namespace": metadata.get("namespace", ""),
                "uid": metadata.get("uid", ""),
            },
            "reason": event.reason,
            "message": message,
            "type": "Warning" if event.warning else "Normal",
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": MANAGER, "host": os.environ.get("HOSTNAME", "")},
            "reportingComponent": MANAGER,
        }
