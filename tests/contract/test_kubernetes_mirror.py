"""The mirror and the Elasticsearch resource, on the embedded API and on a real kube-apiserver: the same of both."""

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from syncd.adapters.kubernetes import ConfigMapMirror, EckResourceApi, KubeClient
from syncd.adapters.kubernetes.client import APPLY
from syncd.core.eck.resource import manifest
from syncd.core.errors import MirrorConflict, MirrorError
from syncd.core.model import EckPolicy, EckService, MirrorState, Origins
from syncd.ports import Deadline
from tests.bed import documented
from tests.bed.kube import ACCOUNT_TOKEN, KubeApi
from tests.bed.waiting import ending_by, soon, wait_for
from tests.contract.kubernetes_contract import NS, Api, Embedded, KubernetesContract
from tests.contract.test_kubernetes import unique
from tests.fakes.eck_side import ca, marker_of, prints

FIXTURES = Path(__file__).parent.parent / "fixtures" / "eck"
OWN, OTHER = ca("own").cert, ca("other").cert
TEXT = OWN.pem.decode() + marker_of("own").pem.decode()
OURS = prints(OWN, marker_of("own"))
ES = "/apis/elasticsearch.k8s.elastic.co/v1"


def mirror_at(api: Api, name: str = "", cluster: str = "syncd/onprem", key: str = "ca.crt") -> ConfigMapMirror:
    return ConfigMapMirror(api.client, NS, name or unique("remote-certs"), cluster, key)


def path_of(mirror: ConfigMapMirror) -> str:
    return f"/api/v1/namespaces/{NS}/configmaps/{mirror.name.rpartition('/')[2]}"


def read(mirror: ConfigMapMirror) -> MirrorState:
    state = mirror.read(soon())
    assert state
    return state


def expect(mirror: ConfigMapMirror) -> tuple[str, str]:
    state = read(mirror)
    return state.version, state.uid


def person(
    api: Api, path: str, body: dict[str, Any], manager: str = "person", *, force: bool = False
) -> dict[str, Any]:
    """Somebody else applies something."""
    kind = {"apiVersion": "v1", "kind": "ConfigMap"} if "configmaps" in path else {}
    query = {"fieldManager": manager, "force": "true" if force else "false"}
    metadata = {"name": path.rpartition("/")[2]} | body.get("metadata", {})
    body = kind | body | {"metadata": metadata}
    return api.client.request("PATCH", path, soon(), query=query, body=body, kind=APPLY).body


class TestConfigMapMirror(KubernetesContract):
    def test_a_mirror_that_is_not_there_is_none(self, api: Api) -> None:
        assert mirror_at(api).read(soon()) is None

    def test_what_was_written_is_read(self, api: Api) -> None:
        mirror = mirror_at(api)
        mirror.write(TEXT, OURS, None, soon())
        state = read(mirror)
        assert (state.content, state.ours, state.contributions, state.watched) == (TEXT, OURS, {}, True)
        assert (state.certs, state.markers, state.faults, state.damaged) == ((OWN,), (marker_of("own"),), (), ())
        assert state.uid

    def test_what_is_there_comes_back_byte_for_byte(self, api: Api) -> None:
        mirror, odd = mirror_at(api), "# é\r\n" + OTHER.pem.decode().rstrip() + " \t\nloose\n\n" + TEXT
        mirror.write(odd, OURS, None, soon())
        assert read(mirror).content == odd
        assert read(mirror).certs == (OTHER, OWN)

    def test_a_stale_write_writes_nothing(self, api: Api) -> None:
        mirror = mirror_at(api)
        mirror.write("one", (), None, soon())
        stale = expect(mirror)
        mirror.write("two", (), stale, soon())
        for old in (stale, None):
            with pytest.raises(MirrorConflict):
                mirror.write("three", (), old, soon())
        assert read(mirror).content == "two"

    def test_an_object_that_was_made_anew_is_not_the_one_that_was_read(self, api: Api) -> None:
        mirror = mirror_at(api)
        mirror.write("one", (), None, soon())
        before = expect(mirror)
        api.client.request("DELETE", path_of(mirror), soon())
        mirror.write("two", (), None, soon())
        for old in (before, (expect(mirror)[0], before[1])):
            with pytest.raises(MirrorConflict):
                mirror.write("three", (), old, soon())
        assert read(mirror).content == "two"

    def test_the_same_again_is_no_change(self, api: Api) -> None:
        mirror = mirror_at(api)
        mirror.write(TEXT, OURS, None, soon())
        mirror.write(TEXT, OURS, expect(mirror), soon())
        before = expect(mirror)
        mirror.write(TEXT, OURS, before, soon())
        assert expect(mirror) == before

    def test_a_write_does_not_bring_back_what_was_deleted(self, api: Api) -> None:
        mirror = mirror_at(api)
        mirror.write(TEXT, OURS, None, soon())
        before = expect(mirror)
        api.client.request("DELETE", path_of(mirror), soon())
        with pytest.raises(MirrorConflict):
            mirror.write(TEXT, OURS, before, soon())
        assert mirror.read(soon()) is None

    def test_of_two_who_make_it_at_once_one_is_told(self, api: Api) -> None:
        for _ in range(10):
            name, start, told = unique("remote-certs"), threading.Barrier(2), list[str]()
            threads = [
                threading.Thread(target=self.make, args=(mirror_at(api, name, f"syncd/{text}"), text, start, told))
                for text in ("first", "second")
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            content = read(mirror_at(api, name)).content
            assert told == [text for text in ("first", "second") if text != content]

    @staticmethod
    def make(mirror: ConfigMapMirror, text: str, start: threading.Barrier, told: list[str]) -> None:
        start.wait(10)
        try:
            mirror.write(text, (), None, soon())
        except MirrorConflict:
            told.append(text)

    def test_what_others_keep_in_it_stays(self, api: Api) -> None:
        """Promise 9."""
        mirror = mirror_at(api)
        metadata = {"labels": {"team": "search"}, "annotations": {"note": "theirs"}}
        person(api, path_of(mirror), {"metadata": metadata, "data": {"note": "mine", "ca.crt": OTHER.pem.decode()}})
        assert (read(mirror).watched, read(mirror).ours) == (False, None)
        for text in (OTHER.pem.decode() + TEXT, TEXT):
            mirror.write(text, OURS, expect(mirror), soon())
        answer = api.client.request("GET", path_of(mirror), soon())
        assert answer.part("data") == {"note": "mine", "ca.crt": TEXT}
        assert answer.part("metadata")["labels"] == {"team": "search", "eck.k8s.elastic.co/watched": "true"}
        assert answer.part("metadata")["annotations"]["note"] == "theirs"

    def test_a_label_that_says_otherwise_is_set_right(self, api: Api) -> None:
        mirror = mirror_at(api)
        person(api, path_of(mirror), {"metadata": {"labels": {"eck.k8s.elastic.co/watched": "false"}}})
        assert not read(mirror).watched
        mirror.write(TEXT, OURS, expect(mirror), soon())
        assert read(mirror).watched

    def test_each_cluster_has_an_annotation_of_its_own_and_sees_the_others(self, api: Api) -> None:
        name = unique("remote-certs")
        one, two = (mirror_at(api, name, cluster) for cluster in ("syncd/one", "syncd/two"))
        theirs = prints(OTHER)
        one.write(TEXT, OURS, None, soon())
        for _ in range(2):
            two.write(TEXT + OTHER.pem.decode(), theirs, expect(two), soon())
            one.write(TEXT + OTHER.pem.decode(), OURS, expect(one), soon())
        assert (read(one).ours, read(one).contributions) == (OURS, {"syncd/two": theirs})
        assert (read(two).ours, read(two).contributions) == (theirs, {"syncd/one": OURS})

    def test_who_put_what_there_is_read_as_it_was_written(self, api: Api) -> None:
        mirror = mirror_at(api)
        origins = Origins(added=prints(marker_of("own")), found=prints(OTHER))
        mirror.write(OTHER.pem.decode() + TEXT, OURS, None, soon(), origins)
        assert (read(mirror).ours, read(mirror).origins) == (OURS, origins)

    def test_an_annotation_of_before_origins_were_noted_makes_only_the_marker_ours(self, api: Api) -> None:
        """It lists what was there before syncd, too."""
        mirror = mirror_at(api)
        mirror.write(TEXT, OURS, None, soon())
        [mine] = api.client.request("GET", path_of(mirror), soon()).part("metadata")["annotations"]
        old = json.dumps({"cluster": "syncd/onprem", "certificates": list(OURS)})
        person(api, path_of(mirror), {"metadata": {"annotations": {mine: old}}}, force=True)
        assert (read(mirror).ours, read(mirror).origins) == (OURS, Origins(added=prints(marker_of("own"))))

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"cluster": 1, "certificates": []}',
            '{"cluster": "x", "certificates": ["zz"]}',
            '{"cluster": "x", "certificates": null}',
            '{"cluster": "x", "certificates": [], "added": "zz"}',
            "[" * 9999,
        ],
    )
    def test_an_annotation_that_cannot_be_read_is_damaged_and_not_empty(self, value: str, api: Api) -> None:
        mirror = mirror_at(api)
        mirror.write(TEXT, OURS, None, soon())
        [mine] = api.client.request("GET", path_of(mirror), soon()).part("metadata")["annotations"]
        body = {"metadata": {"annotations": {mine: value, "contribution.syncd.invalid/x": value}}}
        person(api, path_of(mirror), body, force=True)
        assert (read(mirror).ours, read(mirror).damaged) == (None, ("contribution.syncd.invalid/x",))
        mirror.write(TEXT, OURS, expect(mirror), soon())
        assert read(mirror).ours == OURS

    def test_a_missing_key_is_not_an_empty_one_and_is_written_into_the_same_object(self, api: Api) -> None:
        mirror = mirror_at(api)
        person(api, path_of(mirror), {"data": {"other": "x"}})
        state = read(mirror)
        assert state.content is None
        with pytest.raises(MirrorConflict):
            mirror.write(TEXT, OURS, None, soon())
        mirror.write(TEXT, OURS, (state.version, state.uid), soon())
        assert (read(mirror).content, read(mirror).uid) == (TEXT, state.uid)

    def test_another_key_in_the_configuration_takes_nothing_away(self, api: Api) -> None:
        """T53."""
        name = unique("remote-certs")
        mirror_at(api, name).write(TEXT, OURS, None, soon())
        old = mirror_at(api, name)
        old.write(TEXT + "#\n", OURS, expect(old), soon())
        other = mirror_at(api, name, key="cas.pem")
        other.write(TEXT, OURS, expect(other), soon())
        assert read(mirror_at(api, name)).content == TEXT + "#\n"

    def test_a_key_in_binary_data_is_told(self, api: Api) -> None:
        mirror = mirror_at(api)
        person(api, path_of(mirror), {"binaryData": {"ca.crt": "AAAA"}})
        with pytest.raises(MirrorError, match="ECK reads data") as told:
            mirror.read(soon())
        assert told.value.rule == "mirror_binary"

    def test_a_frozen_api_is_a_timeout_within_the_deadline(self, api: Api) -> None:
        mirror = mirror_at(api)
        mirror.write(TEXT, OURS, None, soon())
        at = expect(mirror)
        api.server.freeze()
        calls: tuple[Callable[[], object], ...] = (
            lambda: mirror.read(Deadline.after(0.5)),
            lambda: mirror.write("", (), at, Deadline.after(0.5)),
        )
        for call in calls:
            with ending_by(0.5), pytest.raises(MirrorError) as told:
                call()
            assert told.value.rule == "mirror_timeout"

    @pytest.mark.parametrize(("status", "fault"), [(403, "forbidden"), (429, "busy"), (500, "busy"), (400, "refused")])
    def test_each_refusal_has_its_own_name_and_cure(
        self, status: int, fault: str, demo_kube: Embedded, demo_client: KubeClient
    ) -> None:
        mirror = ConfigMapMirror(demo_client, NS, "remote-certs", "syncd/onprem")
        resource = EckResourceApi(demo_client, NS, "quickstart", "syncd/onprem")
        writes = (lambda: mirror.write("", (), ("1", "u"), soon()), lambda: resource.apply({}, ("1", "u"), soon()))
        for kind, calls in (
            ("mirror", (lambda: mirror.read(soon()), writes[0])),
            ("resource", (lambda: resource.read(soon()), writes[1])),
        ):
            for call in calls:
                demo_kube.faults.append(status)
                with pytest.raises(MirrorError) as told:
                    call()
                assert told.value.rule == f"{kind}_{fault}"
                assert told.value.cure
                assert NS in told.value.where

    @pytest.mark.bed
    def test_a_missing_namespace_and_an_immutable_object_are_told_as_such(self, kube: KubeApi) -> None:
        client = KubeClient(str(kube.kubeconfig), None)
        with pytest.raises(MirrorError, match="Make the namespace"):
            ConfigMapMirror(client, "nowhere", "remote-certs", "syncd/onprem").write(TEXT, OURS, None, soon())
        api = Api(kube, client)
        mirror = mirror_at(api)
        person(api, path_of(mirror), {"immutable": True, "data": {"ca.crt": "x"}})
        with pytest.raises(MirrorError, match="immutable") as told:
            mirror.write(TEXT, OURS, expect(mirror), soon())
        assert told.value.rule == "mirror_refused"


def made(api: Api, spec: dict[str, Any] | None = None, manager: str = "person") -> tuple[str, EckPolicy]:
    """A resource that somebody made, as in the fixture, and its path."""
    body = json.loads((FIXTURES / "elasticsearch.resource.json").read_text())
    name = unique("quickstart")
    path = f"{ES}/namespaces/{NS}/elasticsearches/{name}"
    whole = {key: body[key] for key in ("apiVersion", "kind")} | {"spec": spec or {"version": "8.19.4"}}
    person(api, path, whole | {"status": body["status"] | {"availableNodes": 3}}, manager)
    return path, EckPolicy(NS, name)


def api_of(api: Api, eck: EckPolicy, cluster: str = "syncd/onprem", *services: str) -> EckResourceApi:
    return EckResourceApi(api.client, NS, eck.resource, cluster, services)


def spec_of(api: Api, path: str) -> dict[str, Any]:
    return api.client.request("GET", path, soon()).part("spec")


def apply(resource: EckResourceApi, body: dict[str, Any]) -> None:
    state = resource.read(soon())
    assert state
    resource.apply(body, (state.version, state.uid), soon())


class TestEckResourceApi(KubernetesContract):
    def test_a_resource_that_is_not_there_is_none(self, api: Api) -> None:
        assert EckResourceApi(api.client, NS, "nothere", "syncd/onprem").read(soon()) is None

    def test_what_matters_of_it_is_read(self, api: Api) -> None:
        template = {"spec": {"ports": [{"port": 443}]}}
        spec = {
            "remoteClusterServer": {"enabled": True, "service": template},
            "transport": {"service": template, "tls": {"certificateAuthorities": {"configMapName": "cas"}}},
            "remoteClusters": [{"name": "one"}, {"name": "two", "elasticsearchRef": {"name": "x"}}],
        }
        _, eck = made(api, spec)
        state = api_of(api, eck).read(soon())
        assert state
        assert (state.available_nodes, state.phase, state.config_map) == (3, "ApplyingChanges", "cas")
        assert (state.remote_cluster_server, state.service, state.transport_service) == (True, template, template)
        assert (state.remote_clusters, state.ours, state.services) == (("one", "two"), frozenset(), ())

    def test_only_what_is_named_is_changed_and_it_is_ours_from_then_on(self, api: Api) -> None:
        path, eck = made(api)
        resource = api_of(api, eck)
        apply(resource, manifest(eck, {"config_map": "remote-certs"}))
        state = resource.read(soon())
        assert state
        assert (state.config_map, state.remote_cluster_server) == ("remote-certs", False)
        assert state.ours == {"config_map"}
        apply(resource, manifest(eck, {"config_map": "remote-certs", "remote_cluster_server": True}))
        state = resource.read(soon())
        assert state
        assert (state.config_map, state.remote_cluster_server) == ("remote-certs", True)
        assert state.ours == {"config_map", "remote_cluster_server"}
        assert spec_of(api, path)["version"] == "8.19.4"

    def test_what_is_ours_and_not_named_again_goes(self, api: Api) -> None:
        """Why a step names all that is ours: this is what the server does."""
        _, eck = made(api)
        resource = api_of(api, eck)
        apply(resource, manifest(eck, {"config_map": "remote-certs"}))
        apply(resource, manifest(eck, {"remote_cluster_server": True}))
        state = resource.read(soon())
        assert state
        assert state.config_map is None
        assert state.ours == {"remote_cluster_server"}

    def test_two_clusters_take_nothing_from_each_other(self, api: Api) -> None:
        _, eck = made(api)
        apply(api_of(api, eck, "syncd/one"), manifest(eck, {"config_map": "remote-certs"}))
        apply(api_of(api, eck, "syncd/two"), manifest(eck, {"remote_cluster_server": True}))
        state = api_of(api, eck, "syncd/one").read(soon())
        assert state
        assert (state.config_map, state.remote_cluster_server) == ("remote-certs", True)
        assert state.ours == {"config_map"}

    def test_a_field_that_somebody_else_holds_is_told_with_the_managers_name_and_stays(self, api: Api) -> None:
        path, eck = made(api, {"remoteClusterServer": {"enabled": False}}, "a-chart")
        with pytest.raises(MirrorError, match='"a-chart"') as told:
            apply(api_of(api, eck), manifest(eck, {"remote_cluster_server": True}))
        assert told.value.rule == "resource_conflict"
        assert spec_of(api, path)["remoteClusterServer"] == {"enabled": False}

    def test_a_stale_apply_and_one_to_what_is_gone_change_nothing(self, api: Api) -> None:
        path, eck = made(api)
        resource, body = api_of(api, eck), manifest(eck, {"remote_cluster_server": True})
        state = resource.read(soon())
        assert state
        person(
            api,
            path,
            {"apiVersion": "elasticsearch.k8s.elastic.co/v1", "kind": "Elasticsearch", "spec": {"version": "9"}},
        )
        with pytest.raises(MirrorConflict):
            resource.apply(body, (state.version, state.uid), soon())
        api.client.request("DELETE", path, soon())
        with pytest.raises(MirrorConflict):
            resource.apply(body, (state.version, state.uid), soon())
        assert resource.read(soon()) is None

    def test_services_made_by_hand_are_read_by_name_and_a_missing_one_is_its_own_fault(self, api: Api) -> None:
        _, eck = made(api)
        name, ports = unique("lb"), [{"name": "rcs", "port": 443, "targetPort": 9443}]
        metadata = {"name": name}
        body = {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"ports": ports, "selector": {"a": "b"}},
        }
        api.client.request("POST", f"/api/v1/namespaces/{NS}/services", soon(), body=body)
        state = api_of(api, eck, "syncd/onprem", name, "nothere").read(soon())
        assert state
        made_by_hand, missing = state.services
        assert [{key: port[key] for key in ports[0]} for port in made_by_hand.ports] == ports
        assert replace(missing, fault="") == EckService("nothere")
        assert "404" in missing.fault

    def test_a_frozen_api_is_a_timeout_within_the_deadline(self, api: Api) -> None:
        _, eck = made(api)
        api.server.freeze()
        with ending_by(0.5), pytest.raises(MirrorError) as told:
            api_of(api, eck).read(Deadline.after(0.5))
        assert told.value.rule == "resource_timeout"


@pytest.mark.bed
def test_the_role_of_the_docs_is_enough_for_mirror_and_resource(kube: KubeApi) -> None:
    """Least privilege, word for word: nothing is listed, one ConfigMap, one resource, one Service."""
    admin = Api(kube, KubeClient(str(kube.kubeconfig), None))
    kube.put_elasticsearch(NS, "quickstart", 2)
    for name in ("remote-certs",):
        if ConfigMapMirror(admin.client, NS, name, "x").read(soon()):
            kube.request("DELETE", f"/api/v1/namespaces/{NS}/configmaps/{name}")
    kube.grant(NS, "syncd", documented.rules(NS, "syncd", "syncd-mirror", "syncd-resource"))
    client = KubeClient(str(kube.kubeconfig_for(ACCOUNT_TOKEN)), None)
    mirror = ConfigMapMirror(client, NS, "remote-certs", "syncd/onprem")
    wait_for(lambda: _readable(mirror), 20, "the Role is in force")
    mirror.write(TEXT, OURS, None, soon())
    mirror.write(TEXT + "#\n", OURS, expect(mirror), soon())
    resource = EckResourceApi(client, NS, "quickstart", "syncd/onprem", ("quickstart-es-remote-cluster-lb", "other"))
    apply(resource, manifest(EckPolicy(NS, "quickstart"), {"config_map": "remote-certs"}))
    state = resource.read(soon())
    assert state
    assert state.config_map == "remote-certs"
    assert ["404" in service.fault for service in state.services] == [True, False]
    assert "403" in state.services[1].fault
    for other in (
        ConfigMapMirror(client, NS, "other", "syncd/onprem"),
        EckResourceApi(client, NS, "other", "syncd/onprem"),
    ):
        with pytest.raises(MirrorError) as refused:
            other.read(soon())
        assert refused.value.rule.endswith("_forbidden")
        assert "docs/kubernetes.md" in refused.value.cure
    kube.grant(NS, "syncd", documented.rules(NS, "syncd", "syncd-mirror"))
    wait_for(lambda: _refused(resource), 20, "without the consent's Role nothing is applied")


def _readable(mirror: ConfigMapMirror) -> bool:
    try:
        mirror.read(soon())
    except MirrorError:
        return False
    return True


def _refused(resource: EckResourceApi) -> bool:
    try:
        apply(resource, manifest(EckPolicy(NS, "quickstart"), {"config_map": "remote-certs"}))
    except MirrorError as error:
        return error.rule == "resource_forbidden"
    return False
