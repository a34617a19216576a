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


_IN_PLACE = (f"{_SSH}/files.py", "temp = join(dirname(path), beside(basename(path)))",
             "temp = path\n    if expect:\n        sftp.remove(path)")  # fmt: skip
_ONLY_WHEN_GREEN = (
    "syncd/core/trustfile/plan.py", "steps=tuple(files),",
    'steps=tuple(f for f in files if isinstance(seen.cluster, Known) and seen.cluster.value.health == "green"),',
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
            f"{_SSH}/files.py", "    sftp.remove(temp)\n        raise", "    pass\n        raise"),
    Defence("test_a_read_only_file_system_is_told_as_that",
            f"{_SSH}/trouble.py", "if read_only:", "if False:"),
    Defence("test_owner_and_mode_drift_is_repaired_without_touching_content",
            "syncd/core/trustfile/plan.py", "return _fix_owner(context, node, path, node.owner.value)", "return None"),
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
            "syncd/engine/acting/perform.py", "except HostError:\n        return None",
            "except ZeroDivisionError:\n        return None"),
    Defence("test_a_file_that_cannot_be_read_is_never_written_over",
            "syncd/engine/looking/look.py",
            'raise HostError(f"file_{error.rule}", error.text, where=path, cure=cure) from error',
            "return None"),
    Defence("test_one_bad_node_never_stops_the_others_and_keeps_the_old_ca_everywhere",
            "syncd/core/trustfile/retire.py", '("every_node_known", _every_node_known),', ""),
    Defence("test_trust_leaves_only_on_what_is_seen_now",
            "syncd/engine/reconcile.py", "if elsewhere(rang) and takes_away(plan, looked.seen):", "if False:"),
    _of_host("test_a_file_is_replaced_only_if_it_is_what_was_expected",
             f"{_SSH}/files.py", "_expect(_found(sftp, path, _status(there, path), _MOST), path, expect)", "pass"),
    _of_host("test_a_file_is_replaced_only_if_it_is_what_was_expected",
             "syncd/adapters/local.py", "self._expect(path, expect, deadline)\n                temp", "temp"),
    Defence("test_a_load_is_proven_for_this_process_and_this_content_only",
            "syncd/core/proof/loaded.py", "(file.value.modified + 1) * 1000", "file.value.modified * 1000"),
    Defence("test_over_a_lossy_link_a_file_is_written_whole_or_the_fault_is_told", *_IN_PLACE),
    Defence("test_a_host_behind_a_lossy_link_does_not_delay_the_others",
            "syncd/engine/crew.py", "wait(futures.values(), timeout=patience)", "wait(futures.values())"),
    Defence("test_a_load_is_proven_alike_on_nodes_whose_clocks_are_hours_apart",
            "syncd/core/proof/loaded.py", "(file.value.modified + 1) * 1000", "file.at.timestamp() * 1000"),
    Defence("test_a_host_whose_clock_is_off_is_swept_by_its_own_clock",
            f"{_SSH}/files.py", "clock = sftp.lstat(temp).st_mtime or 0", 'clock = __import__("time").time()'),
    Defence("test_a_clock_that_is_set_back_before_the_write_proves_nothing",
            "syncd/core/proof/loaded.py",
            "if on_its_clock and not _ran_before_the_write(node, digest, process, seen, context):",
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
            "syncd/core/trustfile/retire.py", '("overlap", _overlap),', ""),
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
            "syncd/core/trustfile/desired.py", "return Current(remote.alias, None, None, Hold(remote.alias, rule, text))",
            "return Current(remote.alias, None, None, None)"),
    Defence("test_what_is_not_ecks_ca_refuses_the_source_by_name",
            "syncd/core/eck/published.py", "if not (ca.is_ca and ca.signs):", "if False:"),
    Defence("test_a_remote_made_anew_is_told_by_a_new_key_from_another_object",
            "syncd/core/java/trust.py", "Rotation.RECREATED if other_object else Rotation.NEW_KEY", "Rotation.NEW_KEY"),
)  # fmt: skip

_ELASTICSEARCH = (
    Defence("test_what_does_not_answer_is_unreachable",
            f"{_ES}/client.py", 'raise _error("es_unreachable", url, path, text) from error', "raise"),
    Defence("test_a_silent_url_leaves_the_others_their_share_of_the_time",
            f"{_ES}/api.py", "deadline.at_most(deadline.left() / (len(urls) - number))", "deadline"),
    Defence("test_each_status_has_its_rule_and_a_cure",
            f"{_ES}/client.py", '_REFUSED: "es_unauthorized", ', ""),
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
            "syncd/core/proof/loaded.py", "if (sight.node, sight.context, sight.digest, sight.process_started)",
            "if (sight.node, sight.context, sight.digest, process.started)"),
    Defence("test_the_last_word_of_the_log_about_this_file_counts",
            "syncd/core/proof/loadlog.py", "if refused and (not loaded or refused[-1] > loaded[-1]):", "if False:"),
    Defence("test_killed_at_any_change_the_next_life_leaves_nothing_behind",
            "syncd/engine/handshake_proofs.py", "es.note_proof(nodes, self._permitted())", "pass"),
    Defence("test_trust_is_written_whatever_the_health_of_the_cluster", *_ONLY_WHEN_GREEN),
    Defence("test_a_red_cluster_gets_its_trust_and_its_proof_all_the_same", *_ONLY_WHEN_GREEN, slow=True),
    Defence("test_a_node_that_does_not_answer_gets_its_trust_and_keeps_the_old_one", *_ONLY_WHEN_GREEN, slow=True),
    Defence("test_a_password_that_was_changed_stops_no_trust_and_retires_nothing", *_ONLY_WHEN_GREEN, slow=True),
    Defence("test_a_node_that_dies_in_mid_proof_leaves_no_master_and_its_last_word_proves_nothing",
            *_ONLY_WHEN_GREEN, slow=True),
    Defence("test_a_foreign_alias_of_that_name_is_left_alone_and_told",
            "syncd/core/proof/handshake.py", "if cluster.proof_alias is not None:", "if False:"),
    Defence("test_one_host_without_tunnels_does_not_stop_the_others_and_is_named",
            "syncd/engine/handshake_proofs.py", "failed[name] = str(error)", "raise"),
    Defence("test_a_host_that_goes_away_in_the_middle_is_cleared_when_it_is_back",
            "syncd/engine/handshake_proofs.py", "frozenset(step.left) | set(failed)", "frozenset()"),
    Defence("test_a_process_that_has_not_loaded_the_file_is_not_proven_though_its_log_says_so",
            "syncd/core/proof/loaded.py",
            'and (policy.proof != "handshake" or sight.by in _BY_PROCESS or sight.refused)', ""),
    Defence("test_nodes_that_use_different_api_keys_are_told",
            "syncd/core/credential.py", "if len(set(keys.values())) > 1:", "if False:"),
)  # fmt: skip

_SYNCD = (
    Defence("test_every_cut_settles_on_the_next_life",
            "syncd/core/plan.py", "if cluster.owner == policy.owner or", "if"),
    Defence("test_a_ca_whose_writing_was_the_last_thing_done_is_not_foreign_to_the_next_life",
            "syncd/engine/reconcile.py", "ahead = self._remembering.ahead(looked, plan, cause_at)", "ahead = None"),
    Defence("test_a_memory_that_is_saved_slowly_delays_no_trust",
            "syncd/engine/remember.py", "results(_AHEAD)", "results(60)"),
    Defence("test_lost_memory_costs_caution_not_correctness",
            "syncd/core/trustfile/desired.py", "claims[cert.fingerprint] = _kept(memory, cert)", "pass"),
    Defence("test_damaged_memory_is_survived",
            "syncd/engine/looking/look.py", 'if error.rule != "state_damaged":', "if True:"),
    Defence("test_what_was_forbidden_holds_while_the_memory_cannot_be_read",
            "syncd/core/model/observed.py", "return self.recalled or Memory()", "return Memory()"),
    Defence("test_a_damaged_memory_is_told_of_and_made_anew_from_what_was_read",
            "syncd/engine/looking/look.py", "return _known(self._recalled, at), str(error)", "return Absent(at), str(error)"),
    Defence("test_a_new_life_that_remembers_nothing_adds_trust_and_does_nothing_else",
            "syncd/core/model/observed.py",
            "return isinstance(self.memory, Unknown) and self.recalled is None", "return False"),
    Defence("test_a_new_life_takes_no_ca_unasked_only_because_it_does_not_remember_another",
            "syncd/core/trustfile/desired.py", "_since_nodes(ca, on_nodes) if unknown_past else rotation", "rotation"),
    Defence("test_what_a_process_does_not_look_at_is_not_proven_by_time",
            "syncd/core/proof/loaded.py", "return max(told, policy.poll)", "return policy.poll"),
    Defence("test_what_a_process_does_not_look_at_is_not_proven_by_time",
            "syncd/engine/looking/evidence.py", " or not item.process.reloads:", ":"),
    Defence("test_a_folder_that_is_not_there_is_told_and_not_taken_for_a_first_start",
            "syncd/adapters/files.py", "if not self._path.parent.is_dir():", "if False:"),
    Defence("test_where_nobody_can_have_the_permit_the_reason_is_told_and_nothing_done",
            "syncd/core/plan.py", "if seen.barred:", "if False:"),
    Defence("test_memory_of_a_later_version_is_not_written_over",
            "syncd/core/memory/document.py", "if isinstance(version, int) and version > VERSION:", "if False:"),
    Defence("test_two_never_hold_the_lease_at_once_though_the_api_comes_and_goes",
            *_ANYBODYS_LEASE),
    _embedded("test_the_times_in_a_lease_are_of_somebody_elses_clock_and_count_for_nothing", *_ANYBODYS_LEASE),
    Defence("test_of_two_daemons_one_writes_each_file_once_and_the_other_takes_over", *_ANYBODYS_LEASE),
    Defence("test_of_two_installations_on_one_cluster_one_writes_and_the_other_says_why_not",
            "syncd/core/plan.py", 'other = next((hold for hold in plan.holds if hold.rule == "other_owner"), None)',
            "return None"),
    Defence("test_killed_at_fifty_random_moments_under_load_nothing_is_lost", *_IN_PLACE, slow=True),
    Defence("test_a_process_that_was_frozen_does_not_believe_that_it_still_holds",
            f"{_KUBE}/lease.py", "return monotonic() < self._valid_until and", "return self._valid_until > 0 and"),
    Defence("test_a_cluster_that_another_syncd_keeps_is_left_alone",
            "syncd/core/plan.py", 'other = next((hold for hold in plan.holds if hold.rule == "other_owner"), None)',
            "return None"),
    Defence("test_a_bad_change_of_the_configuration_is_refused_and_the_old_one_stays",
            "syncd/config/live.py", "return self._refuse(error, text, asked=asked)", "raise"),
    Defence("test_memory_descriptors_and_threads_stay_flat_over_two_thousand_passes",
            "syncd/adapters/local.py", "        os.close(descriptor)\n\n\ndef _sweep", "        pass\n\n\ndef _sweep"),
)  # fmt: skip

_RESTARTS = (
    Defence("test_killed_anywhere_it_goes_on_and_restarts_each_node_exactly_once",
            "syncd/core/restarts/rolling.py",
            "        allocation=scene.cluster.allocation,", "        allocation=Allocation(),"),
    Defence("test_killed_again_and_again_it_goes_on",
            "syncd/core/restarts/underway.py", 'has followed the recorded one."""', 'has followed."""\n        return False'),
    Defence("test_a_node_that_the_change_harms_is_taken_back_once_and_the_change_goes_no_further",
            "syncd/core/restarts/takeback.py",
            'steps: list[Step] = [NoteFault(noted, f"{case.name}: {text}"), _roll_back(case, noted)]',
            "steps: list[Step] = []"),
    Defence("test_a_node_that_does_not_run_with_the_change_is_not_done_before_its_port_was_looked_at",
            "syncd/core/nodes/settings.py", "if not _is_judged(node.name, process, seen):", "if True:"),
    Defence("test_a_node_that_does_not_come_back_either_is_left_to_a_person_and_nothing_else_is_touched",
            "syncd/core/restarts/takeback.py",
            "        return case.invocation != case.record.refused", "        return False"),
    Defence("test_the_shards_of_a_node_that_stays_away_are_made_elsewhere_whatever_its_restart_waits_for",
            "syncd/core/restarts/carryon.py", "if case.overdue and (not steps or", "if False and (not steps or"),
    Defence("test_the_page_of_the_looks_knows_since_when_a_host_is_lost",
            "syncd/engine/looking/installations.py", 'aged(seen_at(results[f"site {name}"], before[name]), before[name])',
            'seen_at(results[f"site {name}"], before[name])'),
    Defence("test_a_disk_that_stays_full_ends_the_restart_and_no_node_is_touched",
            "syncd/core/restarts/underway.py", "return self.now >= self.record.at + self.policy.restart.join_timeout",
            "return False"),
    Defence("test_the_shards_of_a_member_do_not_wait_for_what_is_still_to_be_seen_of_it",
            "syncd/core/restarts/underway.py", "if case.is_back and case.cluster", "if False and case.cluster"),
    Defence("test_allocation_stays_restricted_while_the_cluster_still_counts_the_old_process",
            "syncd/core/restarts/underway.py", "not in {None, self.record.started}\n\n    @property\n    def came_back",
            "!= 0\n\n    @property\n    def came_back"),
    Defence("test_a_node_that_serves_is_not_stopped_to_be_taken_back_while_another_is_down",
            "syncd/core/restarts/takeback.py", "if held := unsafe_back(case):", "if held := ():"),
    Defence("test_settings_that_no_process_was_started_with_are_taken_back_without_a_restart",
            "syncd/core/restarts/takeback.py", "start=not runs_on)", "start=True)"),
    Defence("test_a_restart_is_not_begun_on_old_news",
            "syncd/engine/acting/perform.py",
            "if isinstance(step, BeginRestart | RestartNode):", "if isinstance(step, RestartNode):"),
    Defence("test_a_node_is_not_stopped_on_old_news",
            "syncd/engine/acting/perform.py",
            "if isinstance(step, BeginRestart | RestartNode):", "if isinstance(step, BeginRestart):"),
    Defence("test_replicas_that_are_missing_since_it_was_begun_hold_the_stop_and_not_for_ever",
            "syncd/core/restarts/stopping.py", "    if there <= record.unassigned:", "    if True:"),
    Defence("test_with_allocation_not_all_nothing_is_begun",
            "syncd/core/restarts/rules.py", '("allocation", _allocation),', ""),
    Defence("test_what_somebody_else_writes_meanwhile_is_never_overwritten",
            "syncd/core/restarts/underway.py",
            'return "before" if file.digest == file.copy else "foreign"', 'return "before"'),
    Defence("test_what_a_person_mends_while_no_cluster_answers_is_never_overwritten",
            "syncd/core/restarts/leftovers.py", "if not back and not yml.unproven:", "if False:"),
    Defence("test_a_restart_that_is_given_up_leaves_no_settings_that_no_process_has_proven",
            "syncd/core/restarts/carryon.py",
            'if case.disk != "wanted" or not isinstance(case.yml', "if True or not isinstance(case.yml"),
    Defence("test_a_node_that_fails_with_what_was_left_there_is_taken_back_though_its_restart_is_over",
            "syncd/core/restarts/rolling.py", "if failed := failed_node(scene):", "if failed := None:"),
    Defence("test_what_ends_an_open_restart_goes_on_under_a_brake",
            "syncd/core/plan.py", "    if isinstance(step, RollBack):\n        return True\n", ""),
    Defence("test_an_edit_that_somebody_undid_is_told_and_not_made_again",
            "syncd/core/nodes/settings.py", "return _contested(node, at, wanted)", "return None"),
    Defence("test_a_start_that_would_not_be_given_the_password_is_told",
            "syncd/engine/hosts/passphrase.py",
            'return "" if host.owner(path, deadline) else f"{path}, which', 'return "" if True else f"{path}, which'),
    Defence("test_a_peer_that_would_not_be_trusted_holds_the_edit",
            "syncd/core/nodes/consequences.py", "            if not result.ok:\n", "            if False:\n"),
    Defence("test_an_alias_that_lives_on_them_holds_the_edit",
            "syncd/core/nodes/consequences.py",
            "if isinstance(sight, Known) and not verifies(sight.value.chain, anchors, now).ok:", "if False:"),
    Defence("test_a_trust_store_that_is_not_what_the_process_has_loaded_is_left",
            "syncd/core/nodes/own_trust.py", "    if more or fewer:", "    if False:"),
    Defence("test_a_process_that_does_not_use_it_is_told_to_read_it",
            "syncd/core/nodes/secrets.py",
            "recent = seen.reloaded is not None and timedelta(0) <= now - seen.reloaded < _AGAIN", "recent = False"),
    Defence("test_a_credential_waits_for_no_restart_that_it_does_not_need",
            "syncd/core/nodes/secrets.py", "if need and first and path in need.paths:", "if need:"),
    Defence("test_a_reload_that_was_lost_is_made_up_for_also_where_the_key_is_not_named",
            "syncd/core/nodes/secrets.py",
            "return isinstance(node.process, Known) and _has_read(node.name, node.process.value.started, keystore, read)",
            "return True"),
    Defence("test_what_each_process_has_read_is_noted_also_where_another_could_not",
            "syncd/engine/reload.py", 'if said.get(each.node) == "")', "if not said.get(each.node))"),
    Defence("test_a_lost_mirror_is_made_from_what_eck_last_read_and_ours",
            "syncd/core/eck/mirror.py", "urgent = case.lost or bool(mine.added)", "urgent = False"),
    Defence("test_a_broken_echo_is_noted_and_does_not_refuse_ecks_ca",
            "syncd/core/eck/published.py", "return last.end()", "return len(data)"),
    Defence("test_a_ca_that_somebody_put_there_before_is_listed_as_needed_and_never_taken_out",
            "syncd/core/eck/mirror_share.py", "return frozenset(state.origins.added) if state",
            "return frozenset(state.ours or ()) if state"),
    Defence("test_of_two_clusters_the_one_that_put_it_there_takes_it_out_once_neither_needs_it",
            "syncd/core/eck/mirror_share.py", "gone = ours - needed - needed_elsewhere(state)", "gone = ours - needed"),
    Defence("test_the_ca_of_another_ecks_cluster_is_not_sent_to_this_one",
            "syncd/core/eck/own_cas.py", "        or _OF_ECK.match(cert.subject)\n", ""),
    Defence("test_a_next_ca_that_not_all_of_ecks_nodes_have_loaded_is_told",
            "syncd/core/eck/mirror.py", "if not retiring.old and (hold := unloaded(retiring)):", "if hold := None:"),
    Defence("test_a_name_that_two_of_our_cas_have_proves_neither",
            "syncd/core/eck/mutual.py", "if not marked or len(known) > _MOST", "if True or len(known) > _MOST"),
    Defence("test_two_clusters_that_write_one_mirror_a_hundred_times_each_lose_nothing",
            f"{_KUBE}/mirror.py", 'metadata |= {"resourceVersion": expect[0], "uid": expect[1]}', "pass"),
    Defence("test_what_could_not_be_remembered_is_remembered_as_soon_as_it_can_be",
            "syncd/engine/acting/act.py", "if write := eck_write(outcome):", "if write := None:"),
    Defence("test_nothing_is_taken_out_only_because_the_configuration_lacks_it",
            "syncd/core/nodes/settings.py", "if not may_be_used(forgotten, policy, seen)} - used",
            "} | set(Context) - used"),
    Defence("test_with_another_remote_in_the_same_file_it_is_what_the_files_hold_that_counts",
            "syncd/core/nodes/leave.py", "return not any(record.alias == forgotten.alias",
            "return True or any(record.alias == forgotten.alias"),
    Defence("test_a_stranger_that_no_node_names_any_more_is_dropped",
            "syncd/engine/looking/links.py", "if not all(isinstance(answer, Known) for answer in asked):", "if True:"),
    Defence("test_its_ca_is_never_published_as_one_of_our_own",
            "syncd/core/nodes/leave.py", "(_as_left(record) if (record.alias, record.context) in pairs else record for",
            "(_as_left(record) for record in () for"),
    Defence("test_a_keystore_copy_that_a_full_disk_left_without_the_settings_takes_nothing_back",
            "syncd/engine/hosts/copies.py", " or host.read(copy_of(node.yml), MAX_BYTES, deadline) is None:", ":"),
    Defence("test_an_edit_of_a_keystore_that_is_not_the_copied_one_is_not_taken_back",
            "syncd/engine/hosts/copies.py", "if before is not None and before in (_digest(copied), ours):", "if True:"),
    Defence("test_a_password_file_that_cannot_be_read_is_told_as_what_it_is",
            "syncd/engine/hosts/tools.py", "except OSError as error:", "except SystemExit as error:"),
    Defence("test_a_foreign_certificate_on_any_node_keeps_the_file_and_its_name_on_all",
            "syncd/core/nodes/settings.py", "left - held_by_others(seen, memory) if left else ()", "left"),
    Defence("test_an_alias_that_only_the_left_file_verifies_holds_the_edit",
            "syncd/core/nodes/settings.py", "if hold := unsafe_without(at, seen, context, wanted.revoked, peers):",
            "if hold := None:"),
    Defence("test_with_a_node_unseen_nothing_goes_and_that_is_told",
            "syncd/core/nodes/leave.py",
            "if unseen := [node.name for node in seen.nodes.values() if not isinstance(node.process, Known)]:",
            "if unseen := []:"),
)  # fmt: skip

DEFENCES = (*_HOSTS, *_KUBERNETES, *_ELASTICSEARCH, *_SYNCD, *_RESTARTS)
