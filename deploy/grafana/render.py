"""Write Grafana's dashboards from their sources: `make docs` runs it.

A source says what a person decides: titles, queries, units. What Grafana wants besides,
and where a panel stands, is the same for all and is here.
"""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS = 24
_KINDS = {"stat": "stat", "timeseries": "timeseries", "state": "state-timeline"}
#: Width and height in Grafana's grid, unless the source says otherwise.
_SIZES = {"stat": (4, 4), "timeseries": (8, 8), "state": (8, 8)}
#: What happened meanwhile, marked on every panel.
_MARKS = (
    ("Catalog changed", "changes(penstock_catalog_version[1m]) > 0", "blue"),
    (
        "Intake started",
        'sum(increase(penstock_process_starts_total{role="intake"}[1m])) > 0',
        "purple",
    ),
    (
        "Alert",
        'ALERTS{alertname=~"Penstock.+",alertstate="firing"}',
        "red",
    ),
)


def _thresholds(steps: Sequence[float]) -> dict[str, Any]:
    colours = ["yellow", "red"]
    return {
        "mode": "absolute",
        "steps": [
            {"color": "green", "value": None},
            *(
                {"color": colour, "value": step}
                for colour, step in zip(colours, steps, strict=False)
            ),
        ],
    }


def _custom(panel: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Return how lines are drawn."""
    if kind != "timeseries":
        return {}
    stacked = bool(panel.get("stacked"))
    return {
        "lineWidth": 1,
        "fillOpacity": 40 if stacked else 8,
        "showPoints": "never",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
    }


def _options(kind: str) -> dict[str, Any]:
    if kind == "stat":
        return {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "value",
            "graphMode": "area",
            "textMode": "auto",
        }
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    if kind == "state":
        return {"legend": legend, "showValue": "auto", "rowHeight": 0.9}
    tooltip = {"mode": "multi", "sort": "desc"}
    return {"legend": {**legend, "calcs": []}, "tooltip": tooltip}


def _target(number: int, query: Mapping[str, str], kind: str) -> dict[str, Any]:
    instant = kind == "stat"
    return {
        "refId": chr(ord("A") + number),
        "datasource": _DATASOURCE,
        "expr": query["expr"],
        "legendFormat": query.get("legend", ""),
        "editorMode": "code",
        "range": not instant,
        "instant": instant,
    }


def _panel(panel: Mapping[str, Any], number: int) -> dict[str, Any]:
    kind = panel.get("kind", "timeseries")
    made: dict[str, Any] = {
        "id": number,
        "type": _KINDS[kind],
        "title": panel["title"],
        "description": panel.get("description", ""),
        "datasource": _DATASOURCE,
        "fieldConfig": {
            "defaults": {
                "unit": panel.get("unit", "short"),
                "thresholds": _thresholds(panel.get("thresholds", ())),
                "custom": _custom(panel, kind),
            },
            "overrides": [],
        },
        "options": _options(kind),
        "targets": [
            _target(index, query, kind) for index, query in enumerate(panel["queries"])
        ],
    }
    # A lowest value hides how little a line moves; none below 0 makes sense here.
    made["fieldConfig"]["defaults"]["min"] = 0
    if uid := panel.get("link"):
        url = f"/d/{uid}?${{__url_time_range}}&${{__all_variables}}"
        made["links"] = [{"title": "More of this", "url": url, "targetBlank": False}]
    return made


def _row(title: str, number: int, y: int) -> dict[str, Any]:
    place = {"h": 1, "w": _COLUMNS, "x": 0, "y": y}
    return {
        "id": number,
        "type": "row",
        "title": title,
        "collapsed": False,
        "gridPos": place,
        "panels": [],
    }


def _lay_out(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the panels in lines from left to right, each row under its title."""
    numbers = count(1)
    y = 0
    for row in rows:
        yield _row(row["title"], next(numbers), y)
        x, y, tallest = 0, y + 1, 0
        for panel in row["panels"]:
            width, height = _SIZES[panel.get("kind", "timeseries")]
            width, height = panel.get("width", width), panel.get("height", height)
            if x + width > _COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            place = {"h": height, "w": width, "x": x, "y": y}
            yield {**_panel(panel, next(numbers)), "gridPos": place}
            x, tallest = x + width, max(tallest, height)
        y += tallest


def _variables(source: Mapping[str, Any]) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "hide": 0,
        }
    ]
    if variable := source.get("variable"):
        everything = {"selected": True, "text": ["All"], "value": ["$__all"]}
        made.append(
            {
                **variable,
                "type": "query",
                "datasource": _DATASOURCE,
                "refresh": 2,
                "multi": True,
                "includeAll": True,
                "current": everything,
                "sort": 3,
                "hide": 0,
            }
        )
    return made


def _annotations() -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datasource": _DATASOURCE,
            "enable": True,
            "iconColor": colour,
            "expr": expr,
        }
        for name, expr, colour in _MARKS
    ]


#: To the other dashboards.
_LINK = {
    "title": "Penstock",
    "type": "dashboards",
    "tags": ["penstock"],
    "asDropdown": False,
    "keepTime": True,
    "includeVars": True,
    "targetBlank": False,
    "icon": "dashboard",
    "tooltip": "",
    "url": "",
}


def render(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return the dashboard as Grafana keeps it."""
    return {
        "uid": source["uid"],
        "title": source["title"],
        "description": source["description"],
        "tags": ["penstock"],
        "schemaVersion": 41,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables(source)},
        "annotations": {"list": _annotations()},
        "links": [_LINK],
        "panels": list(_lay_out(source["rows"])),
    }


def main(sources: Path, target: Path) -> None:
    """Render every source into `target`."""
    for source in sorted(sources.glob("*.toml")):
        rendered = render(tomllib.loads(source.read_text()))
        path = target / f"{source.stem}.json"
        path.write_text(json.dumps(rendered, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    here = Path(__file__).parent
    main(here / "sources", Path(sys.argv[1]) if sys.argv[1:] else here / "dashboards")
