//! A panel of the dashboard, and its JSON.

use serde_json::{Value, json};

/// How a panel shows its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The last value, large. Red from this value on, if there is one.
    Stat {
        /// The smallest value shown in red.
        red_from: Option<u32>,
    },
    /// Lines over time.
    Lines,
    /// Areas over time, stacked.
    Stack,
}

/// A panel without its place in the grid.
#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) shape: Shape,
    /// Grafana's name of the unit.
    pub(super) unit: &'static str,
    /// Columns of the grid.
    pub(super) width: u32,
    /// PromQL and legend of each query.
    pub(super) queries: &'static [(&'static str, &'static str)],
}

/// A row of panels with its title.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) panels: &'static [Panel],
}

impl Panel {
    pub(super) fn height(&self) -> u32 {
        match self.shape {
            Shape::Stat { .. } => 4,
            Shape::Lines | Shape::Stack => 8,
        }
    }

    pub(super) fn json(&self) -> Value {
        let targets: Vec<Value> = self
            .queries
            .iter()
            .zip('A'..)
            .map(|((expr, legend), id)| {
                json!({
                    "refId": id.to_string(),
                    "datasource": data_source(),
                    "expr": expr,
                    "legendFormat": legend,
                })
            })
            .collect();
        let (kind, defaults, options) = match self.shape {
            Shape::Stat { red_from } => self.stat(red_from),
            Shape::Lines => self.lines(0, "none"),
            Shape::Stack => self.lines(60, "normal"),
        };
        json!({
            "type": kind,
            "title": self.title,
            "description": self.description,
            "datasource": data_source(),
            "targets": targets,
            "fieldConfig": { "defaults": defaults, "overrides": [] },
            "options": options,
        })
    }

    fn stat(&self, red_from: Option<u32>) -> (&'static str, Value, Value) {
        let mut steps = vec![json!({ "color": "green", "value": null })];
        steps.extend(red_from.map(|from| json!({ "color": "red", "value": from })));
        let defaults = json!({
            "unit": self.unit,
            "min": 0,
            "thresholds": { "mode": "absolute", "steps": steps },
        });
        let options = json!({
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
            "colorMode": if red_from.is_some() { "background" } else { "none" },
            "graphMode": "area",
        });
        ("stat", defaults, options)
    }

    fn lines(&self, fill: u32, stacking: &str) -> (&'static str, Value, Value) {
        let defaults = json!({
            "unit": self.unit,
            "min": 0,
            "custom": {
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": fill,
                "showPoints": "never",
                "stacking": { "mode": stacking, "group": "A" },
            },
        });
        let options = json!({
            "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        });
        ("timeseries", defaults, options)
    }
}

/// The data source that the dashboard's reader chooses.
pub(super) fn data_source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}
