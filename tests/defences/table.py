"""The defences behind docs/faults.md: what to take away, and the test that must fail then.

To add one: the test that the row names, the file, the text that is the defence (it occurs once there), and what to put
in its place. Then `python -m tests.defences NAME` must say `yes`.
"""

from dataclasses import dataclass

from tests.defences.page import places

_SSH = "syncd/adapters/ssh"
_KUBE = "syncd/adapters/kubernetes"
_ES = "syncd/adapters/elasticsearch"


@dataclass(frozen=True, slots=True)
class Defence:
    """One defence and its test."""

    test: str
    """The test's name, as in docs/faults.md."""
    file: str
    text: str
    """What is taken away; it occurs once in the file."""
    instead: str
    where: str = ""
    """The file that runs the test, where that is not the one that defines it (contracts)."""
    select: str = ""
    """An expression for `pytest -k`, where the name alone would run too much."""
    slow: bool = False
    """Minutes for each run."""

    @property
    def files(self) -> list[str]:
        """The test files to run."""
        return [self.where] if self.where else places(self.test)

    @property
    def brief(self) -> str:
        """The first line of what is taken away."""
        return self.text.strip().splitlines()[0].replace("|", "/")[:70]


_IN_PLACE = (f"{_SSH}/files.py", 'temp = join(dirname(path), f".{basename(path)}.syncd-{secrets.token_hex(8)}")',
             "temp = path\n    if expect:\n        sftp.remove(path)")  # fmt: skip
_ONLY_WHEN_GREEN = (
    "syncd/core/plan.py", "*files,",
    '*(file for file in files if isinstance(seen.cluster, Known) and seen.cluster.value.health == "green"),',
)  # fmt: skip
_ANYBODYS_LEASE = (f"{_KUBE}/lease.py", "return monotonic() - self._other.first_seen > self._other.duration",
                   "return True")  # fmt: skip


def _embedded(test: str, file: str, text: str, instead: str) -> Defence:
    """Tried on the embedded server only: the real one takes long and adds nothing here."""
    return Defence(test, file, text, instead, select=f"{test} and embedded")


def _of_host(test: str, file: str, text: str, instead: str) -> Defence:
    """A test of the hosts' contract, on the adapter that the file belongs to."""
    ssh = file.startswith(_SSH)
    where = "tests/contract/test_ssh.py" if ssh else "tests/contract/test_local.py"
    return Defence(test, file, text, instead, where, f"{test} and TestSshHost and not Sudo" if ssh else "")


_HOSTS = (
    Defence("test_a_full_disk_is_told_and_the_old_file_stays_whole",
            f"{_SSH}/trouble.py", "if not free:", "if False:"),
    Defence("test_a_full_disk_is_told_and_the_old_file_stays_whole",
            f"{_SSH}/files.py", "sftp.remove(temp)", "pass"),
    Defence("test_a_read_only_file_system_is_told_as_that",
            f"{_SSH}/trouble.py", "if read_only:", "if False:"),
    Defence("test_owner_and_mode_drift_is_repaired_without_touching_content",
            "syncd/core/plan.py", "return _fix_owner(node, path, node.owner.value)", "return None"),
    _of_host("test_what_is_not_a_regular_file_is_refused_and_left_alone",
             f"{_SSH}/files.py", "if not stat.S_ISREG(status.st_mode or 0):", "if False:"),
    _of_host("test_what_is_not_a_regular_file_is_refused_and_left_alone",
             "syncd/adapters/local.py", "_must_be_file(path, os.lstat(path))", "pass"),
    Defence("test_a_connection_cut_at_any_step_of_a_write_leaves_the_old_file_or_the_new_one",
            f"{_SSH}/files.py", "sftp.batch(ask.rename(temp, path), ask.lstat(path))",
            "(sftp.remove(path), *sftp.batch((18, temp.encode(), path.encode()), ask.lstat(path)))[1:]"),
    Defence("test_a_connection_cut_at_any_step_of_a_write_leaves_the_old_file_or_the_new_one",
            f"{_SSH}/files.py", "sftp.remove(join(dirname(path), entry.filename))", "pass"),
    Defence("test_a_slow_link_writes_whole_files_or_gives_up_by_the_deadline",
            f"{_SSH}/session.py", "self._channel.settimeout(max(0.01, deadline.left()))", "pass"),
    Defence("test_a_changed_host_key_is_refused_loudly",
            f"{_SSH}/known_hosts.py", "if not self._keys.check(name, key):", "if False:"),
    Defence("test_a_server_that_cannot_write_safely_is_not_written_to",
            f"{_SSH}/files.py", "_synced(synced)", "pass"),
    Defence("test_a_host_that_accepts_and_never_speaks_is_given_up",
            f"{_SSH}/session.py", "if not transport.initial_kex_done:", "if False:"),
    Defence("test_a_frozen_host_is_given_up_by_the_deadline",
            f"{_SSH}/session.py", "self._channel.settimeout(max(0.01, deadline.left()))", "pass"),
    Defence("test_a_user_who_may_not_sudo_is_told_so_with_the_cure",
            f"{_SSH}/session.py", '("sudo", "sudo -n would not start the SFTP server") if sudo else ', ""),
    _of_host("test_a_log_is_read_on_from_where_it_was",
             f"{_SSH}/host.py", "start = position.offset if size >= position.offset else 0",
             "start = position.offset"),
    _of_host("test_a_log_is_read_on_from_where_it_was",
             "syncd/adapters/local.py", "start = 0 if rotated else position.offset", "start = position.offset"),
    Defence("test_a_log_that_may_not_be_read_is_told_as_that",
            f"{_SSH}/trouble.py", "if error.errno == EACCES:", "if False:"),
    Defence("test_trust_is_written_though_the_log_may_not_be_read_and_proven_in_the_weaker_way",
            "syncd/engine/perform.py", "except HostError:\n        return None",
            "except ZeroDivisionError:\n        return None"),
    Defence("test_a_file_that_cannot_be_read_is_never_written_over",
            "syncd/engine/look.py", 'raise HostError(f"file_{error.rule}", error.text, where=path, cure=cure) from error',
            "return None"),
    Defence("test_one_bad_node_never_stops_the_others_and_keeps_the_old_ca_everywhere",
            "syncd/core/retire.py", '("every_node_known", _every_node_known),', ""),
    Defence("test_trust_leaves_only_on_what_is_seen_now",
            "syncd/engine/reconcile.py", "if elsewhere(rang) and _takes_away(plan, looked.seen):", "if False:"),
    _of_host("test_a_file_is_replaced_only_if_it_is_what_was_expected",
             f"{_SSH}/files.py", "_expect(_found(sftp, path, _status(there, path), _MOST), path, expect)", "pass"),
    _of_host("test_a_file_is_replaced_only_if_it_is_what_was_expected",
             "syncd/adapters/local.py", "self._expect(path, expect, deadline)\n                temp", "temp"),
    Defence("test_a_load_is_proven_for_this_process_and_this_content_only",
            "syncd/core/proof.py", "(file.value.modified + 1) * 1000", "file.value.modified * 1000"),
    Defence("test_over_a_lossy_link_a_file_is_written_whole_or_the_fault_is_told", *_IN_PLACE),
    Defence("test_a_host_behind_a_lossy_link_does_not_delay_the_others",
            "syncd/engine/crew.py", "wait(futures.values(), timeout=patience)", "wait(futures.values())"),
    Defence("test_a_load_is_proven_alike_on_nodes_whose_clocks_are_hours_apart",
            "syncd/core/proof.py", "(file.value.modified + 1) * 1000", "file.at.timestamp() * 1000"),
    Defence("test_a_host_whose_clock_is_off_is_swept_by_its_own_clock",
            f"{_SSH}/files.py", "clock = sftp.lstat(temp).st_mtime or 0", 'clock = __import__("time").time()'),
    Defence("test_a_clock_that_is_set_back_before_the_write_proves_nothing",
            "syncd/core/proof.py", "if on_its_clock and not _ran_before_the_write(node, digest, process, seen):",
            "if on_its_clock:"),
)  # fmt: skip

_KUBERNETES = (
    _embedded("test_an_api_that_is_down_is_unreachable_and_read_again_when_it_is_back",
              f"{_KUBE}/client.py", "raise _unanswered(self.host, error) from error", "raise"),
    _embedded("test_a_frozen_api_is_a_timeout_within_the_deadline",
              f"{_KUBE}/client.py", "total=max(0.05, deadline.left())", "total=_STEP"),
    _embedded("test_a_frozen_api_ends_the_hold_in_time_and_both_come_back_as_one",
              f"{_KUBE}/lease.py", "return monotonic() < self._valid_until and", "return self._valid_until > 0 and"),
    Defence("test_an_api_whose_packets_vanish_is_a_timeout_within_the_deadline",
            f"{_KUBE}/client.py", "total=max(0.05, deadline.left())", "total=_STEP"),
    Defence("test_a_cache_that_flaps_between_old_and_new_changes_no_file",
            "syncd/core/retire.py", '("overlap", _overlap),', ""),
    Defence("test_an_answer_that_drips_ends_with_the_deadline",
            f"{_KUBE}/client.py", "if not deadline.left():", "if False:"),
    Defence("test_each_refusal_has_its_own_name",
            f"{_KUBE}/client.py", '429: "busy",', ""),
    Defence("test_a_renewed_token_file_is_taken_and_an_unknown_one_told",
            f"{_KUBE}/client.py", "        self._reload()\n", ""),
    Defence("test_dropped_and_refused_watches_are_survived_and_counted_by_cause",
            f"{_KUBE}/watch.py", 'cause = "silent" if isinstance(error, urllib3.exceptions.ReadTimeoutError) else "dropped"',
            "raise"),
    _embedded("test_a_silent_watch_is_noticed_and_begun_anew",
              f"{_KUBE}/watch.py", "self._patience * 1.25)", "self._patience * 1250)"),
    Defence("test_an_expired_watch_is_begun_anew",
            f"{_KUBE}/watch.py", 'return "expired" if body.get("code") == 410 else "error"', 'return ""'),
    Defence("test_a_deletion_while_nobody_watched_rings",
            f"{_KUBE}/watch.py", "self._compare(self._current(), ring)", "pass"),
    Defence("test_nothing_is_derived_from_what_cannot_be_read",
            "syncd/core/desired.py", "return Current(remote.alias, None, None, Hold(remote.alias, rule, text))",
            "return Current(remote.alias, None, None, None)"),
    Defence("test_what_is_not_ecks_ca_refuses_the_source_by_name",
            "syncd/core/bundle.py", "if not (ca.is_ca and ca.signs):", "if False:"),
    Defence("test_a_remote_made_anew_is_told_by_a_new_key_from_another_object",
            "syncd/core/trust.py", "Rotation.RECREATED if other_object else Rotation.NEW_KEY", "Rotation.NEW_KEY"),
)  # fmt: skip

_ELASTICSEARCH = (
    Defence("test_what_does_not_answer_is_unreachable",
            f"{_ES}/client.py", 'raise _error("es_unreachable", url, path, text) from error', "raise"),
    Defence("test_a_silent_url_leaves_the_others_their_share_of_the_time",
            f"{_ES}/api.py", "deadline.at_most(deadline.left() / (len(urls) - number))", "deadline"),
    Defence("test_each_status_has_its_rule_and_a_cure",
            f"{_ES}/client.py", '401: "es_unauthorized", ', ""),
    Defence("test_an_answer_that_never_ends_is_given_up_by_the_deadline",
            f"{_ES}/watchdog.py", "            bite()\n", "            pass\n"),
    Defence("test_an_answer_that_is_not_elasticsearchs_is_told_as_that",
            f"{_ES}/client.py", "except (KeyError, TypeError, AttributeError, ValueError, IndexError) as",
            "except ZeroDivisionError as"),
    Defence("test_another_node_at_a_nodes_address_is_told",
            f"{_ES}/api.py", "if process.name != name:", "if False:"),
    _embedded("test_a_node_that_is_not_there_is_told",
              f"{_ES}/api.py", "        if url is None:\n", "        if False:\n"),
    Defence("test_a_load_is_proven_for_this_process_and_this_content_only",
            "syncd/core/proof.py", "sight.process_started) == (node.name, digest, process.started)",
            "process.started) == (node.name, digest, process.started)"),
    Defence("test_the_last_word_of_the_log_about_this_file_counts",
            "syncd/core/loadlog.py", "if refused and (not loaded or refused[-1] > loaded[-1]):", "if False:"),
    Defence("test_killed_at_any_change_the_next_life_leaves_nothing_behind",
            "syncd/engine/desk.py", "es.note_proof(nodes, self._permitted())", "pass"),
    Defence("test_trust_is_written_whatever_the_health_of_the_cluster", *_ONLY_WHEN_GREEN),
    Defence("test_a_red_cluster_gets_its_trust_and_its_proof_all_the_same", *_ONLY_WHEN_GREEN, slow=True),
    Defence("test_a_node_that_does_not_answer_gets_its_trust_and_keeps_the_old_one", *_ONLY_WHEN_GREEN, slow=True),
    Defence("test_a_password_that_was_changed_stops_no_trust_and_retires_nothing", *_ONLY_WHEN_GREEN, slow=True),
    Defence("test_a_node_that_dies_in_mid_proof_leaves_no_master_and_its_last_word_proves_nothing",
            *_ONLY_WHEN_GREEN, slow=True),
    Defence("test_a_foreign_alias_of_that_name_is_left_alone_and_told",
            "syncd/core/handshake.py", "if cluster.proof_alias is not None:", "if False:"),
    Defence("test_one_host_without_tunnels_does_not_stop_the_others_and_is_named",
            "syncd/engine/desk.py", "failed[name] = str(error)", "raise"),
    Defence("test_a_host_that_goes_away_in_the_middle_is_cleared_when_it_is_back",
            "syncd/engine/desk.py", "frozenset(step.left) | set(failed)", "frozenset()"),
    Defence("test_a_process_that_has_not_loaded_the_file_is_not_proven_though_its_log_says_so",
            "syncd/core/proof.py",
            'and (policy.proof != "handshake" or sight.by in ("handshake", "started_after") or sight.refused)', ""),
    Defence("test_nodes_that_use_different_api_keys_are_told",
            "syncd/core/credential.py", "if len(set(keys.values())) > 1:", "if False:"),
)  # fmt: skip

_SYNCD = (
    Defence("test_every_cut_settles_on_the_next_life",
            "syncd/core/plan.py", "if cluster.owner == policy.owner or", "if"),
    Defence("test_lost_memory_costs_caution_not_correctness",
            "syncd/core/desired.py", "claims[cert.fingerprint] = _kept(memory, cert)", "pass"),
    Defence("test_damaged_memory_is_survived",
            "syncd/engine/look.py", 'if error.rule == "state_damaged":', "if False:"),
    Defence("test_memory_of_a_later_version_is_not_written_over",
            "syncd/core/memory.py", "if isinstance(version, int) and version > VERSION:", "if False:"),
    Defence("test_two_never_hold_the_lease_at_once_though_the_api_comes_and_goes",
            *_ANYBODYS_LEASE),
    _embedded("test_the_times_in_a_lease_are_of_somebody_elses_clock_and_count_for_nothing", *_ANYBODYS_LEASE),
    Defence("test_of_two_daemons_one_writes_each_file_once_and_the_other_takes_over", *_ANYBODYS_LEASE),
    Defence("test_of_two_installations_on_one_cluster_one_writes_and_the_other_says_why_not",
            "syncd/core/plan.py", 'return next((hold for hold in plan.holds if hold.rule == "other_owner"), None)',
            "return None"),
    Defence("test_killed_at_fifty_random_moments_under_load_nothing_is_lost", *_IN_PLACE, slow=True),
    Defence("test_a_process_that_was_frozen_does_not_believe_that_it_still_holds",
            f"{_KUBE}/lease.py", "return monotonic() < self._valid_until and", "return self._valid_until > 0 and"),
    Defence("test_a_cluster_that_another_syncd_keeps_is_left_alone",
            "syncd/core/plan.py", 'return next((hold for hold in plan.holds if hold.rule == "other_owner"), None)',
            "return None"),
    Defence("test_a_bad_change_of_the_configuration_is_refused_and_the_old_one_stays",
            "syncd/config/live.py", "return self._refuse(error, text)", "raise"),
    Defence("test_memory_descriptors_and_threads_stay_flat_over_two_thousand_passes",
            "syncd/adapters/local.py", "        os.close(descriptor)\n\n\ndef _sweep", "        pass\n\n\ndef _sweep"),
)  # fmt: skip

DEFENCES = (*_HOSTS, *_KUBERNETES, *_ELASTICSEARCH, *_SYNCD)
