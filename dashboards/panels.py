"""The few kinds of panels that the boards are made of, on the Grafana Foundation SDK.

A panel is told apart from its looks: `PanelSpec` says what it is and what to do about it, `PanelStyle`
how numbers are shown.
Every panel needs a description and a sentence for the case that there is nothing to show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from grafana_foundation_sdk.builders import (
    bargauge,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from dashboards.links import behind

DATASOURCE: Final = common.DataSourceRef(type_val="prometheus", uid="${datasource}")

Steps = tuple[tuple[float | None, str], ...]
Colours = Mapping[str, str]
_NONE: Final[Colours] = {}


@dataclass(frozen=True, slots=True)
class PanelSpec:
    """What a panel says. `help` ends with what to do when it is red; `empty` says why there may be nothing to see."""

    id: int
    title: str
    help: str
    empty: str
    width: int
    height: int
    traces: str = ""
    """TraceQL of the turns or sessions behind the figure, for a link to them."""


@dataclass(frozen=True, slots=True)
class Query:
    """One query. `legend` is Grafana's template; an instant query asks for the end of the range only."""

    expr: str
    legend: str = ""
    instant: bool = False
    exemplar: bool = False
    form: PromQueryFormat = PromQueryFormat.TIME_SERIES


@dataclass(frozen=True, slots=True)
class PanelStyle:
    """How values are shown. `steps` are threshold colours; `line` draws the thresholds as a dashed line."""

    unit: str = "short"
    decimals: int | None = None
    minimum: float | None = 0.0
    maximum: float | None = None
    steps: Steps = ((None, "text"),)
    line: bool = False
    stacked: bool = False
    colours: Colours = field(default_factory=lambda: _NONE)
    dashed: tuple[str, ...] = ()
    mappings: Sequence[dashboard.ValueMapping] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its query and how the numbers are shown."""

    title: str
    expr: str
    look: PanelStyle
    width: int = 95


Panel = dashboard.Panel


def graph(panel: PanelSpec, look: PanelStyle, *queries: Query) -> Panel:
    """Lines over time; `look.stacked` piles them up."""
    legend = (
        common_builders.VizLegendOptions()
        .display_mode(common.LegendDisplayMode.LIST)
        .placement(common.LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    mode = common.StackingMode.NORMAL if look.stacked else common.StackingMode.NONE
    style = common.GraphThresholdsStyleMode.DASHED if look.line else common.GraphThresholdsStyleMode.OFF
    tooltip = (
        common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
    builder = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(tooltip)
        .line_width(1 if look.stacked else 2)
        .fill_opacity(60 if look.stacked else 6)
        .show_points(common.VisibilityMode.NEVER)
        .span_nulls(False)
        .stacking(common_builders.StackingConfig().mode(mode).group("A"))
        .thresholds_style(common_builders.GraphThresholdsStyleConfig().mode(style))
    )
    return _finish(builder.build(), panel, look, queries)


def figure(panel: PanelSpec, look: PanelStyle, *queries: Query, background: bool = True, size: int = 32) -> Panel:
    """Big numbers; the colour of the threshold fills the background or only the number, of `size` pixels."""
    builder = (
        stat.Panel()
        .graph_mode(common.BigValueGraphMode.NONE)
        .color_mode(common.BigValueColorMode.BACKGROUND if background else common.BigValueColorMode.VALUE)
        .text_mode(common.BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 or _many(queries) else _VALUE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .orientation(common.VizOrientation.AUTO)
        .text(common_builders.VizTextDisplayOptions().title_size(14).value_size(size))
        .reduce_options(_last())
    )
    return _finish(builder.build(), panel, look, queries)


def bars(panel: PanelSpec, look: PanelStyle, *queries: Query) -> Panel:
    """One horizontal bar for each series."""
    builder = (
        bargauge.Panel()
        .orientation(common.VizOrientation.HORIZONTAL)
        .display_mode(common.BarGaugeDisplayMode.BASIC)
        .value_mode(common.BarGaugeValueMode.TEXT)
        .name_placement(common.BarGaugeNamePlacement.LEFT)
        .show_unfilled(True)
        .text(common_builders.VizTextDisplayOptions().title_size(14).value_size(16))
        .reduce_options(_last())
    )
    return _finish(builder.build(), panel, look, queries)


def states(panel: PanelSpec, look: PanelStyle, *queries: Query) -> Panel:
    """A coloured band over time for each series."""
    builder = (
        statetimeline.Panel()
        .show_value(common.VisibilityMode.NEVER)
        .row_height(0.8)
        .merge_values(True)
        .legend(common_builders.VizLegendOptions().show_legend(False).calcs([]))
    )
    return _finish(builder.build(), panel, look, queries)


def heat(panel: PanelSpec, look: PanelStyle, query: Query) -> Panel:
    """How values are spread, over time: a histogram's buckets as rows."""
    colours = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").exponent(0.5).steps(64)
    builder = (
        heatmap.Panel()
        .calculate(False)
        .cell_gap(1)
        .color(colours)
        .y_axis(heatmap.YAxisConfig().unit(look.unit).decimals(look.decimals or 0))
    )
    return _finish(builder.build(), panel, look, [query])


def rows(panel: PanelSpec, keys: Mapping[str, str], *columns: Column) -> Panel:
    """A table: `keys` are label → title, then the columns; sorted by the first of these, largest first."""
    built = table.Panel().cell_height(common.TableCellHeight.SM).build()
    queries = [Query(column.expr, instant=True, form=PromQueryFormat.TABLE) for column in columns]
    titles = {f"Value #{letter}": column.title for letter, column in zip(_LETTERS, columns, strict=False)}
    order = {name: index for index, name in enumerate((*keys, *titles))}
    organised = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": {**keys, **titles}}
    built.transformations = [
        dashboard.DataTransformerConfig(id_val="merge", options={}),
        dashboard.DataTransformerConfig(id_val="organize", options=organised),
        dashboard.DataTransformerConfig(id_val="sortBy", options={"sort": [{"field": columns[0].title, "desc": True}]}),
    ]
    finished = _finish(built, panel, PanelStyle(), queries)
    for title in keys.values():
        _override(finished, title, [dashboard.DynamicConfigValue(id_val="custom.minWidth", value=_KEY_WIDTH)])
    for column in columns:
        _override(finished, column.title, _column_properties(column))
    return finished


def on_the_right(built: Panel, name: str, unit: str) -> Panel:
    """Gives one series of a graph an axis of its own."""
    axis = dashboard.DynamicConfigValue(id_val="custom.axisPlacement", value="right")
    _override(built, name, [axis, dashboard.DynamicConfigValue(id_val="unit", value=unit)])
    return built


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Threshold colours: from each value on, the first one from the bottom."""
    found = [dashboard.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard_builders.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(found).build()


def words(values: Mapping[int, tuple[str, str]]) -> list[dashboard.ValueMapping]:
    """Shows numbers as words: number → (word, colour)."""
    options = {
        str(number): dashboard.ValueMappingResult(text=text, color=colour, index=index)
        for index, (number, (text, colour)) in enumerate(values.items())
    }
    return [dashboard.ValueMap(options=options)]


_KEY_WIDTH: Final = 85  # pixels at least; a column of labels grows with the panel
_LETTERS: Final = "ABCDEFGHIJ"
_VALUE: Final = common.BigValueTextMode.VALUE


def _many(queries: Sequence[Query]) -> bool:
    return any("{{" in query.legend for query in queries)


def _last() -> common_builders.ReduceDataOptions:
    return common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False).fields("")


def _finish(built: Panel, panel: PanelSpec, look: PanelStyle, queries: Sequence[Query]) -> Panel:
    """Sets what all kinds have in common."""
    built.id_val, built.title, built.description = panel.id, panel.title, panel.help
    built.datasource = DATASOURCE
    built.links = [behind(panel.traces)] if panel.traces else []
    built.grid_pos = dashboard.GridPos(x=0, y=0, w=panel.width, h=panel.height)
    built.targets = [_target(query, letter) for query, letter in zip(queries, _LETTERS, strict=False)]
    config = built.field_config = built.field_config or dashboard.FieldConfigSource()
    defaults = config.defaults
    defaults.unit, defaults.decimals, defaults.no_value = look.unit, look.decimals, panel.empty
    defaults.min_val, defaults.max_val = look.minimum, look.maximum
    defaults.thresholds = thresholds(look.steps)
    defaults.mappings = list(look.mappings)
    for name, colour in look.colours.items():
        fixed = dashboard.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})
        _override(built, name, [fixed])
    for name in look.dashed:
        _override(built, name, _DASHED)
    return built


_DASHED: Final = [
    dashboard.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 8]}),
    dashboard.DynamicConfigValue(id_val="custom.lineWidth", value=1),
    dashboard.DynamicConfigValue(id_val="custom.fillOpacity", value=0),
    dashboard.DynamicConfigValue(id_val="custom.stacking", value={"mode": "none"}),
]


def _target(query: Query, letter: str) -> Any:
    target = prometheus.Dataquery().ref_id(letter).expr(query.expr).format(query.form).datasource(DATASOURCE)
    if query.legend:
        target = target.legend_format(query.legend)
    target = target.instant() if query.instant else target.range()
    return (target.exemplar(True) if query.exemplar else target).build()


def _override(built: Panel, name: str, properties: list[dashboard.DynamicConfigValue]) -> None:
    config = built.field_config or dashboard.FieldConfigSource()
    matcher = dashboard.MatcherConfig(id_val="byName", options=name)
    config.overrides.append(dashboard.DashboardFieldConfigSourceOverrides(matcher=matcher, properties=properties))
    built.field_config = config


def _column_properties(column: Column) -> list[dashboard.DynamicConfigValue]:
    look = column.look
    properties: list[tuple[str, object]] = [
        ("unit", look.unit),
        ("custom.width", column.width),
        ("noValue", "–"),  # of a cell; that of the panel says why the whole table is empty
    ]
    if look.decimals is not None:
        properties.append(("decimals", look.decimals))
    if len(look.steps) > 1:
        steps = [{"value": value, "color": colour} for value, colour in look.steps]
        properties.append(("thresholds", {"mode": "absolute", "steps": steps}))
        properties.append(("custom.cellOptions", {"type": "color-text"}))
    return [dashboard.DynamicConfigValue(id_val=key, value=value) for key, value in properties]
