"""What the words behind tests/run ask for."""

from __future__ import annotations

from itertools import chain

import pytest

from tests.suite import CONTRACT, FAULTS, INTEGRATION, MATRIX, MINUTES, SMPP, SMPP_MESSAGES, plan


def test_without_words_everything_runs_in_parts_beside_one_another() -> None:
    asked = plan([])
    faults, contract, unit, *integration, rest = asked.runs
    assert (faults, contract, unit) == ((FAULTS,), (CONTRACT,), ("tests/unit",))
    assert len(integration) == 3
    assert all(path.startswith(f"{INTEGRATION}/test_") for path in chain(*integration))
    assert rest == ("tests", *(f"--ignore={path}" for path in chain(*asked.runs[:-1])))
    assert asked.whole
    assert not asked.faults_only
    assert asked.in_memory
    assert asked.tell == {}


@pytest.mark.parametrize("words", [["tests/unit", "-k", "x"], ["--", "tests/unit", "-k", "x"]])
def test_other_words_go_to_pytest_and_narrow_the_run(words: list[str]) -> None:
    asked = plan(words)
    assert asked.runs == (("tests/unit", "-k", "x"),)
    assert not asked.whole
    assert not asked.with_faults


def test_the_whole_matrix_or_rows_of_it_can_be_asked_for() -> None:
    assert plan(["--faults"]).runs == ((FAULTS,),)
    assert plan(["--faults", "-k", "redis"]).runs == ((FAULTS, "-k", "redis"),)
    assert plan(["--faults", f"{FAULTS}/test_kill.py"]).runs == ((f"{FAULTS}/test_kill.py",),)
    assert plan(["--faults"]).tell == {MATRIX: "all"}
    assert plan(["--faults"]).faults_only


def test_fault_tests_among_others_leave_these_their_servers() -> None:
    mixed = plan(["tests/unit", f"{FAULTS}/test_kill.py"])
    assert mixed.with_faults
    assert not mixed.faults_only


def test_others_programs_are_there_for_the_tests_against_them() -> None:
    assert plan([]).with_peers
    assert plan(["--next"]).with_peers
    assert plan(["tests/integration"]).with_peers
    assert plan(["tests/integration/test_smpp_peer_kannel.py"]).with_peers
    assert not plan(["tests/integration/test_cli.py"]).with_peers
    assert not plan(["--faults"]).with_peers


def test_so_many_messages_go_through_smpp_as_are_asked_for() -> None:
    asked = plan(["--smpp", "5000"])
    assert asked.runs == ((SMPP,),)
    assert asked.tell == {SMPP_MESSAGES: "5000"}
    assert asked.with_peers
    assert not asked.faults_only


def test_a_soak_lasts_as_long_as_is_asked_for() -> None:
    asked = plan(["--soak", "0.5"])
    assert asked.runs == ((f"{FAULTS}/test_soak.py",),)
    assert asked.tell == {MINUTES: "0.5"}
    assert asked.faults_only


def test_a_soak_of_no_number_of_minutes_is_refused_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        plan(["--soak", "long"])
    assert "--soak" in capsys.readouterr().err


def test_the_next_servers_are_for_the_tests_that_use_servers() -> None:
    asked = plan(["--next"])
    assert asked.runs == ((FAULTS,), (CONTRACT,), ("tests/integration",))
    assert asked.next
    assert plan(["--next", "--faults"]).runs == plan(["--faults"]).runs
    assert not plan([]).next


@pytest.mark.parametrize("words", [["--bench"], ["--faults"], ["--soak", "5"], ["--smpp", "5000"]])
def test_where_speed_or_loss_is_tried_servers_write_to_the_disk(words: list[str]) -> None:
    assert not plan(words).in_memory
