#![expect(
    clippy::disallowed_methods,
    reason = "a test compares the manual with the code"
)]

use std::path::Path;

use serde_json::Value;

use super::{GRID_WIDTH, render};

fn dashboard() -> Value {
    serde_json::from_str(&render()).unwrap()
}

fn panels(dashboard: &Value) -> Vec<&Value> {
    dashboard["panels"].as_array().unwrap().iter().collect()
}

/// Every PromQL expression of the panels.
fn queries(dashboard: &Value) -> Vec<&str> {
    panels(dashboard)
        .into_iter()
        .filter_map(|panel| panel["targets"].as_array())
        .flatten()
        .map(|target| target["expr"].as_str().unwrap())
        .collect()
}

#[test]
fn every_metric_that_a_panel_names_exists() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let manual = std::fs::read_to_string(path).unwrap();
    let text = render();
    let mut found = 0;
    for name in crate::metrics_in(&text) {
        let family = name.strip_suffix("_bucket").unwrap_or(name);
        assert!(
            manual.contains(&format!("`{family}`")),
            "no metric {family}"
        );
        found += 1;
    }
    assert!(found > 40, "{found} names found");
    assert!(
        !text.contains("pgbouncer_"),
        "the names of another exporter"
    );
}

#[test]
fn panels_have_a_unit_a_description_and_a_place_of_their_own() {
    let dashboard = dashboard();
    let mut places: Vec<[u64; 4]> = Vec::new();
    for (index, panel) in panels(&dashboard).into_iter().enumerate() {
        let title = panel["title"].as_str().unwrap();
        assert_eq!(panel["id"], index + 1, "{title}");
        let place = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
        let [x, y, w, h] = place;
        assert!(x + w <= u64::from(GRID_WIDTH), "{title}");
        for [ox, oy, ow, oh] in &places {
            let apart = x >= ox + ow || *ox >= x + w || y >= oy + oh || *oy >= y + h;
            assert!(apart, "{title} covers another panel");
        }
        places.push(place);
        if panel["type"] == "row" {
            continue;
        }
        assert!(
            !panel["description"].as_str().unwrap().is_empty(),
            "{title}"
        );
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str().unwrap();
        assert!(
            ["short", "s", "ops", "Bps", "percentunit"].contains(&unit),
            "{title}"
        );
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
    }
}

#[test]
fn every_query_can_be_narrowed_by_the_variables() {
    let dashboard = dashboard();
    let list = dashboard["templating"]["list"].as_array().unwrap();
    let names: Vec<&str> = list.iter().map(|v| v["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["datasource", "instance", "database", "user"]);
    let queries = queries(&dashboard);
    assert!(queries.len() > 30);
    for query in queries {
        assert!(query.contains("$instance"), "{query}");
        let of_pools = query.contains("pgweir_pool_");
        assert_eq!(query.contains("$user"), of_pools, "{query}");
        assert_eq!(query.contains("$database"), of_pools, "{query}");
    }
}
