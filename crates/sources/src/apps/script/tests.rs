//! What JavaScript and TypeScript source is read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn pools_of_drivers_have_a_maximum() {
    check(
        "api/src/db.ts",
        &[
            (
                "import { Pool } from 'pg';\nexport const pool = new Pool({\n  connectionString: process.env.DATABASE_URL,\n  \
                 max: 20, // each\n});\n",
                &["pool 20 by max of pg", "at postgres ?/"],
            ),
            (
                "const pg = require('pg')\nconst pool = new pg.Pool({ host: 'db', database: 'app', user: 'u' })",
                &["else pool 10 by the default of pg", "at postgres db/app u"],
            ),
            (
                "import { Pool } from 'pg';\nconst options = { max: Number(process.env.POOL ?? 7), host: 'db' };\nconst p = new \
                 Pool(options);",
                &["pool 7 by max of pg", "at postgres db/"],
            ),
            (
                "import { Pool } from 'pg';\nconst p = new Pool({ ...base });",
                &[
                    "open pool: pg is given options that are not seen in this place",
                    "at postgres /",
                ],
            ),
            (
                "import postgres from 'postgres';\nconst sql = postgres('postgres://u@db:5433/app', { max: 3 });",
                &["pool 3 by max of postgres.js", "at postgres db:5433/app u"],
            ),
            (
                "import { PrismaPg } from '@prisma/adapter-pg'\nconst adapter = new PrismaPg({ connectionString: url(), max: 5 })",
                &[
                    "kind prisma7",
                    "pool 5 by max of Prisma's adapter of pg",
                    "at postgres ?/",
                ],
            ),
            (
                "import { PrismaPg } from '@prisma/adapter-pg'\nimport pg from 'pg'\nconst pool = new pg.Pool({ max: 4, host: \
                 'db' })\nconst adapter = new PrismaPg(pool)",
                &["kind prisma7", "pool 4 by max of pg", "at postgres db/"],
            ),
            (
                "import { Pool } from 'pg';\nconst p = new Pool(config.database);",
                &[
                    "open pool: pg is given options that are not seen in this place",
                    "at postgres /",
                ],
            ),
            (
                "import { PrismaPg } from '@prisma/adapter-pg';\nfunction settings(url: string): Settings {\n  const max = 12;\n  \
                 return { connectionString: url, max };\n}\nexport const adapter = () => new PrismaPg(settings(process.env.URL));",
                &[
                    "kind prisma7",
                    "pool 12 by max of Prisma's adapter of pg",
                    "at postgres ?/",
                ],
            ),
            ("import { Pool } from 'threads';\nnew Pool({ max: 9 })", &[]),
            (
                "import { Pool } from 'pg'\nimport cluster from 'node:cluster'\nnew Pool({ max: 2, host: 'db' })\ncluster.fork()",
                &[
                    "pool 2 by max of pg",
                    "else open processes: cluster.fork starts more processes, and how many is not read",
                    "at postgres db/",
                ],
            ),
        ],
    );
}

#[test]
fn libraries_above_the_driver_have_their_own_options() {
    check(
        "api/src/database.ts",
        &[
            (
                "import knex from 'knex';\nexport default knex({ client: 'pg', connection: process.env.DATABASE_URL, pool: { \
                 min: 2, max: 12 } });",
                &["pool 12 by max of Knex", "at postgres ?/"],
            ),
            (
                "const db = knex({ client: 'pg', connection: { host: 'db', user: 'u', database: 'app' } })",
                &[
                    "else pool 10 by the default of Knex",
                    "at postgres db/app u",
                ],
            ),
            (
                "const db = knex({ client: 'mysql2', connection: { host: 'm' }, pool: { max: 90 } })",
                &["at MySQL m/"],
            ),
            (
                "import { DataSource } from 'typeorm';\nexport const source = new DataSource({ type: 'postgres', url: \
                 'postgres://db/app', poolSize: 15 });",
                &["pool 15 by poolSize of TypeORM", "at postgres db/app"],
            ),
            (
                "import { TypeOrmModule } from '@nestjs/typeorm';\nTypeOrmModule.forRoot({ type: 'postgres', host: 'db', extra: { \
                 max: 25 } })",
                &["pool 25 by max of TypeORM", "at postgres db/"],
            ),
            (
                "const s = new Sequelize('app', 'u', secret, { host: 'db', dialect: 'postgres', pool: { max: 8, min: 0 } })",
                &["pool 8 by max of Sequelize", "at postgres db/app u"],
            ),
            (
                "const s = new Sequelize(process.env.DATABASE_URL, { dialect: 'postgres' })",
                &["else pool 5 by the default of Sequelize", "at postgres ?/"],
            ),
            (
                "const s = new Sequelize(config.database, config.user, config.password, config);",
                &[
                    "open pool: Sequelize is given options that are not seen in this place",
                    "at ? /? ?",
                ],
            ),
            (
                "import { drizzle } from 'drizzle-orm/node-postgres';\nconst db = drizzle(process.env.DATABASE_URL!);",
                &["else pool 10 by the default of Drizzle", "at postgres ?/"],
            ),
            (
                "import { drizzle } from 'drizzle-orm/node-postgres';\nimport { Pool } from 'pg';\nconst pool = new Pool({ max: 6, \
                 host: 'db' });\nconst db = drizzle(pool);",
                &["pool 6 by max of pg", "at postgres db/"],
            ),
        ],
    );
    let knexfile = "module.exports = {\n  development: { client: 'sqlite3' },\n  production: { client: 'postgresql', connection: \
                    'postgres://db/app', pool: { max: 9 } },\n};";
    assert_eq!(
        said("knexfile.js", knexfile, &[]),
        ["pool 9 by max of Knex", "at postgres db/app"]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["new Pool(", "'pg'", "{", "}", ")", "max", ": ", "5", "...", ", ", "knex(", "client: 'pg'", "pool: ", "`${", "process.env.A", "é", "\n", "//", "/*", "new Sequelize(", "module.exports = ", "?", "??"];
        survives("db.ts", &parts, &numbers);
        survives("knexfile.js", &parts, &numbers);
    }

    #[test]
    fn the_order_of_options_changes_nothing(order in Just(vec!["max: 4", "host: 'db'", "database: 'a'", "ssl: true"]).prop_shuffle()) {
        let text = format!("import {{ Pool }} from 'pg'\nconst p = new Pool({{ {} }})", order.join(", "));
        prop_assert_eq!(said("db.ts", &text, &[]), ["pool 4 by max of pg", "at postgres db/a"]);
    }
}
