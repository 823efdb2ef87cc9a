"""Recording and alert rules: they are PromQL over the server's series, and say what they are to say."""

import copy
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy import check, rule_object
from deploy.expressions import check_rules, gateway_series, server_series

FOLDER = rule_object.RULES.parent
SERIES = server_series() | gateway_series()
RULES = check.read_yaml(rule_object.RULES)
ALERTS = [rule["alert"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]


def test_the_rules_name_series_and_labels_of_server_and_gateway() -> None:
    assert list(check_rules(RULES, SERIES)) == []


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("expr", "seq2serve_engins == 0", "there is no series seq2serve_engins"),
        ("expr", "model:seq2serve_waiting:avg9m > 1", "there is no series model:seq2serve_waiting:avg9m"),
        ("expr", 'seq2serve_engines{mdl="a"} == 0', "seq2serve_engines has no label mdl"),
        ("expr", "sum by (instance) (seq2serve_engines) == 0", "shows the label model, which its series do not have"),
        ("annotations", {"summary": "{{ $labels.modell }}"}, "shows the label modell"),
    ],
)
def test_a_rule_that_is_wrong_is_named(key: str, value: object, problem: str) -> None:
    rules = copy.deepcopy(RULES)
    [rule] = [rule for rule in rules["groups"][1]["rules"] if rule["alert"] == "ModelWithoutEngine"]
    rule[key] = value
    [found] = check_rules(rules, SERIES)
    assert "ModelWithoutEngine" in found
    assert problem in found


def test_every_alert_is_tested_well_and_ill_and_is_documented() -> None:
    well, ill = check.read_yaml(FOLDER / "rules_test.yml")["tests"]
    assert [test["alertname"] for test in well["alert_rule_test"] if not test.get("exp_alerts")] == ALERTS
    assert [test["alertname"] for test in ill["alert_rule_test"] if test["exp_alerts"]] == ALERTS
    documented = Path("docs/operations.md").read_text(encoding="utf-8").partition("## Alerts")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `(\w+)`", documented, re.MULTILINE) == ALERTS


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool, of Debian's package prometheus, is not there")
def test_alerts_fire_when_they_are_to() -> None:
    for command in (["check", "config", "prometheus.yml"], ["test", "rules", "rules_test.yml"]):
        result = subprocess.run(["promtool", *command], cwd=FOLDER, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stdout + result.stderr
