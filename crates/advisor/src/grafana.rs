//! A dashboard for Grafana, as JSON to import.
//!
//! Rows are in the order of the questions on call: is it healthy, who waits, what do the servers do,
//! how long does it take, how much load, what goes wrong, how is PostgreSQL.

mod panel;
mod panels;

use serde_json::{Value, json};

use panel::{Row, data_source};

/// The version of the format, from Grafana 12; earlier versions ignore what they do not know.
const SCHEMA_VERSION: u32 = 41;

/// Columns of Grafana's grid.
const GRID_WIDTH: u32 = 24;

/// The dashboard, ready for Grafana's "Import".
pub fn render() -> String {
    let dashboard = json!({
        "title": "pgweir",
        "uid": "pgweir",
        "description": "Connection pools of pgweir, made by `pgweir render grafana`. Every metric is explained by `pgweir help metrics`.",
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

#[cfg(test)]
mod tests;
