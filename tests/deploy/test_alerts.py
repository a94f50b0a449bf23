"""The alerts and the page that explains them, against what a peer exposes."""

import re

from tests.deploy.files import DEPLOY, ROOT, Node, read_yaml

ALERTS = DEPLOY / "prometheus" / "alerts.yml"
PAGE = ROOT / "docs" / "deployment.md"
NAMES = (
    "PeeragePeerDown",
    "PeerageHalted",
    "PeerageNoRounds",
    "PeerageClockSkew",
    "PeerageDiskNearlyFull",
    "PeerageProblems",
)
METRIC = re.compile(r"\bpeerage_peer_[a-z_]+")


def get_rules() -> list[dict[str, Node]]:
    groups = read_yaml(ALERTS)["groups"]
    assert isinstance(groups, list)
    (group,) = groups
    assert isinstance(group, dict)
    rules = group["rules"]
    assert isinstance(rules, list)
    return [rule for rule in rules if isinstance(rule, dict)]


def test_the_alerts_are_complete() -> None:
    assert [rule["alert"] for rule in get_rules()] == list(NAMES)
    for rule in get_rules():
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
        annotations = rule["annotations"]
        assert isinstance(annotations, dict)
        assert set(annotations) == {"summary", "description"}
        assert re.fullmatch(r"\d+[smh]", str(rule.get("for", "0s")))


def test_expressions_are_whole() -> None:
    for rule in get_rules():
        expression = str(rule["expr"])
        assert expression.count("(") == expression.count(")"), expression
        assert METRIC.search(expression), expression


def test_the_page_names_every_alert_and_every_metric_that_alerts_use() -> None:
    page = PAGE.read_text()
    assert all(f"`{name}`" in page for name in NAMES)
    used = {name for rule in get_rules() for name in METRIC.findall(str(rule["expr"]))}
    assert used <= set(METRIC.findall(page))
