//! A dashboard for Grafana, as JSON to import.
//!
//! Rows are in the order in which somebody on call asks: is it healthy, who waits, what do the
//! servers do, how long does it take, how much is there, what goes wrong, what does PostgreSQL say.

mod panels;

use serde_json::{Value, json};

/// Grafana's version of the format, that of Grafana 12; earlier ones ignore what they do not know.
const SCHEMA_VERSION: u32 = 41;

/// Columns of Grafana's grid.
const GRID_WIDTH: u32 = 24;

/// How a panel shows its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// The last value, large. Red from this value on, if there is one.
    Stat {
        /// The least value that is shown in red.
        red_from: Option<u32>,
    },
    /// Lines over time.
    Lines,
    /// Areas over time, one upon the other.
    Stack,
}

/// A panel before it has a place.
#[derive(Debug)]
struct Panel {
    title: &'static str,
    description: &'static str,
    shape: Shape,
    /// Grafana's name of the unit.
    unit: &'static str,
    /// Columns of the grid.
    width: u32,
    /// PromQL and legend of each query.
    queries: &'static [(&'static str, &'static str)],
}

/// A row of panels with its title.
struct Row {
    title: &'static str,
    panels: &'static [Panel],
}

/// The dashboard, ready for Grafana's "Import".
pub fn render() -> String {
    let dashboard = json!({
        "title": "pgweir",
        "uid": "pgweir",
        "description": "Connection pools of pgweir, made by `pgweir render grafana`. Every metric is explained in docs/metrics.md.",
        "tags": ["postgresql", "pgweir"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "timezone": "",
        "annotations": { "list": [restarts()] },
        "templating": { "list": variables() },
        "panels": place(panels::ROWS),
    });
    let mut text =
        serde_json::to_string_pretty(&dashboard).expect("our own values have text as keys");
    text.push('\n');
    text
}

fn data_source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

/// Marks restarts in all panels.
fn restarts() -> Value {
    json!({
        "name": "Restarts",
        "datasource": data_source(),
        "enable": true,
        "iconColor": "red",
        "expr": "resets(pgweir_uptime_seconds{instance=~\"$instance\"}[1m]) > 0",
        "titleFormat": "restart of {{instance}}",
    })
}

fn variables() -> Vec<Value> {
    let from_label = |name: &str, label: &str, query: &str| {
        json!({
            "name": name,
            "label": label,
            "type": "query",
            "datasource": data_source(),
            "query": { "query": query, "refId": name },
            "refresh": 2,
            "sort": 1,
            "multi": true,
            "includeAll": true,
            "allValue": ".*",
            "current": { "text": ["All"], "value": ["$__all"] },
        })
    };
    vec![
        json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
        }),
        from_label(
            "instance",
            "Instance",
            "label_values(pgweir_build_info, instance)",
        ),
        from_label(
            "database",
            "Database",
            "label_values(pgweir_pool_clients{instance=~\"$instance\"}, database)",
        ),
        from_label(
            "user",
            "User",
            "label_values(pgweir_pool_clients{instance=~\"$instance\",database=~\"$database\"}, user)",
        ),
    ]
}

/// Gives every panel its place in the grid.
fn place(rows: &[Row]) -> Vec<Value> {
    let mut placed: Vec<Value> = Vec::new();
    let mut y = 0;
    for row in rows {
        placed.push(json!({
            "id": placed.len() + 1,
            "type": "row",
            "title": row.title,
            "collapsed": false,
            "gridPos": { "x": 0, "y": y, "w": GRID_WIDTH, "h": 1 },
            "panels": [],
        }));
        y += 1;
        let (mut x, mut height) = (0, 0);
        for panel in row.panels {
            if x + panel.width > GRID_WIDTH {
                y += height;
                (x, height) = (0, 0);
            }
            let mut value = panel.json();
            value["id"] = json!(placed.len() + 1);
            value["gridPos"] = json!({ "x": x, "y": y, "w": panel.width, "h": panel.height() });
            placed.push(value);
            x += panel.width;
            height = height.max(panel.height());
        }
        y += height;
    }
    placed
}

impl Panel {
    fn height(&self) -> u32 {
        match self.shape {
            Shape::Stat { .. } => 4,
            Shape::Lines | Shape::Stack => 8,
        }
    }

    fn json(&self) -> Value {
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

#[cfg(test)]
mod tests;
