//! What Prisma's schema and configuration are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

const OLD: &str = "generator client {\n  provider = \"prisma-client-js\"\n}\n";
const NEW: &str =
    "generator client {\n  provider = \"prisma-client\"\n  output = \"../generated\"\n}\n";
const CORES: &str = "else open pool: Prisma without connection_limit opens twice as many connections as there are cores, and one more";

fn datasource(provider: &str, url: &str) -> String {
    format!("datasource db {{\n  provider = \"{provider}\"\n  url      = {url}\n}}\n")
}

#[test]
fn versions_have_pools_of_different_kinds() {
    let limited = datasource(
        "postgresql",
        "\"postgresql://u:p@db/a?connection_limit=12&pool_timeout=20\"",
    );
    let by_variable = datasource("postgresql", "env(\"DATABASE_URL\")");
    let other = datasource("mysql", "\"mysql://root:x@m/shop?connection_limit=40\"");
    let twelve = "pool 12 by connection_limit of the URL";
    for (text, variables, expected) in [
        (
            format!("{OLD}{limited}"),
            &[][..],
            &[
                "kind prisma6",
                twelve,
                "acquire_timeout 20s by pool_timeout of the URL",
                CORES,
                "at postgres db/a u",
            ][..],
        ),
        (
            format!("{by_variable}{OLD}"),
            &[],
            &["kind prisma6", CORES, "at postgres ?/"],
        ),
        (
            format!("{by_variable}{OLD}"),
            &[("DATABASE_URL", "postgres://db/a?connection_limit=12")],
            &["kind prisma6", twelve, CORES, "at postgres db/a"],
        ),
        (
            format!("{NEW}{limited}"),
            &[],
            &[
                "kind prisma7",
                "else pool 10 by the default of Prisma's adapter of pg",
                "at postgres db/a u",
            ],
        ),
        (format!("{OLD}{other}"), &[], &["at MySQL m/"]),
        (
            format!("{OLD}// url = \"postgres://x\"\nmodel A {{\n  id Int @id\n}}\n"),
            &[],
            &["kind prisma6", CORES],
        ),
    ] {
        assert_eq!(
            said("shop/prisma/schema.prisma", &text, variables),
            expected,
            "{text}"
        );
    }
}

#[test]
fn the_configuration_of_version_7_has_an_address() {
    check(
        "shop/prisma.config.ts",
        &[
            (
                "import 'dotenv/config'\nimport { defineConfig, env } from 'prisma/config'\nexport default defineConfig({\n  schema: \
                 'prisma/schema.prisma',\n  datasource: { url: env('DATABASE_URL') },\n})\n",
                &[
                    "kind prisma7",
                    "else pool 10 by the default of Prisma's adapter of pg",
                    "at ? ?/",
                ],
            ),
            (
                "export default defineConfig({ datasource: { url: 'mysql://m/a' } })\n",
                &["at MySQL m/"],
            ),
            ("export default defineConfig({ schema: 'a' })\n", &[]),
            ("export default {}\n", &[]),
        ],
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["datasource db {", "generator c {", "\n", "}", "provider", " = ", "\"postgresql\"", "url", "env(", "\"A\"", ")", "//", "é", "defineConfig(", "datasource: ", "{"];
        survives("schema.prisma", &parts, &numbers);
        survives("prisma.config.ts", &parts, &numbers);
    }

    #[test]
    fn the_order_of_blocks_changes_nothing(order in Just(vec![OLD.to_owned(), datasource("postgresql", "\"postgres://db/a\""), "model A {\n}\n".to_owned()]).prop_shuffle()) {
        prop_assert_eq!(said("schema.prisma", &order.concat(), &[]), ["kind prisma6", CORES, "at postgres db/a"]);
    }
}
