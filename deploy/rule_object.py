"""python -m deploy.rule_object: writes Prometheus' rules as the object that its operator for Kubernetes reads."""

from pathlib import Path

RULES = Path("deploy/prometheus/rules.yml")
RULE_OBJECT = Path("deploy/kubernetes/components/monitoring/rules.yaml")

_HEAD = f"""\
# Written by `python -m deploy.rule_object` from {RULES}.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: seq2serve
spec:
"""


def main() -> None:
    RULE_OBJECT.write_text(rule_object(RULES.read_text(encoding="utf-8")), encoding="utf-8")


def rule_object(rules: str) -> str:
    """The object's text, from the text of the rules' file, comments included."""
    return _HEAD + "".join(f"  {line}" if line.strip() else line for line in rules.splitlines(keepends=True))


if __name__ == "__main__":
    main()
