//! What `ecosystem.config.js` is read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn instances_multiply_and_variables_are_those_of_each_application() {
    check(
        "shop/ecosystem.config.js",
        &[
            (
                "module.exports = {\n  apps: [{\n    name: 'api',\n    script: 'dist/main.js',\n    instances: 4,\n    exec_mode: \
                 'cluster',\n    env: { DATABASE_URL: 'postgres://db/a?connection_limit=5' },\n  }],\n};\n",
                &[
                    "kind prisma6",
                    "processes 4 by instances of PM2",
                    "pool 5 by connection_limit of the URL",
                    "at postgres db/a",
                ],
            ),
            (
                "module.exports = { apps: [{ script: 'a.js', instances: 'max' }] }",
                &["open processes: instances of PM2 is max: as many as there are cores"],
            ),
            (
                "module.exports = { apps: [{ script: 'a.js', instances: process.env.WEB_CONCURRENCY || 2 }] }",
                &["processes 2 by instances of PM2"],
            ),
            (
                "const apps = [{ name: 'web', instances: 2 }, { name: 'jobs', env: { DB_POOL: 3 }, env_production: { DB_POOL: 4 } \
                 }];\nmodule.exports = { apps };",
                &[
                    "[web]",
                    "processes 2 by instances of PM2",
                    "[jobs]",
                    "pool 4 by DB_POOL",
                ],
            ),
            (
                "module.exports = build();",
                &["open processes: no application of it is understood"],
            ),
        ],
    );
    let json = "{ \"apps\": [ { \"name\": \"a\", \"script\": \"a.js\", \"instances\": 3 } ] }";
    assert_eq!(
        said("ecosystem.json", json, &[]),
        ["processes 3 by instances of PM2"]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["module.exports = ", "{", "}", "apps", ": ", "[", "]", "instances", "4", "'max'", ", ", "env", "DB_POOL", "é", "\n", "//", "..."];
        survives("ecosystem.config.js", &parts, &numbers);
    }

    #[test]
    fn the_order_of_keys_changes_nothing(order in Just(vec!["name: 'a'", "instances: 2", "env: { DB_POOL: 3 }", "script: 'x'"]).prop_shuffle()) {
        let text = format!("module.exports = {{ apps: [{{ {} }}] }}", order.join(", "));
        prop_assert_eq!(said("pm2.config.js", &text, &[]), ["processes 2 by instances of PM2", "pool 3 by DB_POOL"]);
    }
}
