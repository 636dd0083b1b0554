//! Laravel: connections of `config/database.php` for 13, which supports poolers, and for 12 and older.

use super::connect::{address, of_kind, shares_servers};
use super::file::{File, header};
use crate::facts::{Kind, Service};
use crate::plan::Plan;
use crate::units::whole_seconds;

pub(super) fn files(plan: &Plan) -> Vec<File> {
    of_kind(plan, &[Kind::PhpFpm, Kind::Octane, Kind::Queue])
        .flat_map(|service| {
            let name = &service.name;
            [
                File {
                    path: format!("laravel/{name}/connections.php"),
                    content: for_13(plan, service),
                },
                File {
                    path: format!("laravel/{name}/connections-12.php"),
                    content: for_12(plan, service),
                },
                File {
                    path: format!("laravel/{name}/.env"),
                    content: environment(plan, service),
                },
            ]
        })
        .collect()
}

fn environment(plan: &Plan, service: &Service) -> String {
    let (host, port) = address(plan, service);
    let database = &plan.facts.database;
    let mut text = header(plan, "laravel", "#");
    let mut add = |name: &str, value: &str| {
        text.push_str(&format!("{name}={}\n", quoted(value)));
    };
    add("DB_CONNECTION", "pgsql");
    add("DB_HOST", host);
    add("DB_PORT", &port.to_string());
    add("DB_DATABASE", &service.database);
    add("DB_USERNAME", &service.user);
    add(
        "DB_POOLED",
        if shares_servers(plan, service) {
            "true"
        } else {
            "false"
        },
    );
    add("DB_DIRECT_HOST", &database.host);
    add("DB_DIRECT_PORT", &database.port.to_string());
    text.push_str("# DB_PASSWORD comes from a secret.\n");
    text
}

/// Quoted for dotenv.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    format!(
        "\"{}\"",
        value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('$', "\\$")
    )
}

/// The part that both versions have.
fn connection(service: &Service, host: &str, port: &str) -> String {
    let lines = [
        "'driver' => 'pgsql',".to_owned(),
        format!("'host' => {host},"),
        format!("'port' => {port},"),
        format!(
            "'database' => env('DB_DATABASE', {}),",
            php(&service.database)
        ),
        format!("'username' => env('DB_USERNAME', {}),", php(&service.user)),
        "'password' => env('DB_PASSWORD', ''),".to_owned(),
        "'charset' => 'utf8',".to_owned(),
        "'prefix' => '',".to_owned(),
        "'prefix_indexes' => true,".to_owned(),
        "'search_path' => 'public',".to_owned(),
        "'sslmode' => env('DB_SSLMODE', 'prefer'),".to_owned(),
        format!("'application_name' => {},", php(&service.name)),
    ];
    lines.map(|line| format!("        {line}\n")).concat()
}

fn options(service: &Service, emulate: Option<bool>) -> String {
    let mut text = format!(
        "            // Seconds to connect.\n            PDO::ATTR_TIMEOUT => {},\n            \
         // {}\n            PDO::ATTR_PERSISTENT => {},\n",
        whole_seconds(service.timeouts.connect),
        if service.persistent {
            "Each worker keeps it between requests, with the state of the last one."
        } else {
            "Each request has a connection of its own, without state from the last one."
        },
        service.persistent
    );
    if let Some(emulate) = emulate {
        text.push_str(&format!(
            "            // Prepared statements do not outlast a transaction behind a pooler.\n            \
             PDO::ATTR_EMULATE_PREPARES => {emulate},\n"
        ));
    }
    text
}

fn for_13(plan: &Plan, service: &Service) -> String {
    let (host, port) = address(plan, service);
    let database = &plan.facts.database;
    let pooled = shares_servers(plan, service);
    format!(
        "<?php

{header}// For Laravel 13: 'connections' => require __DIR__.'/connections.php', in config/database.php.
// With `pooled` it emulates prepared statements, and uses `direct` for migrations.

return [
    'pgsql' => [
{connection}        'pooled' => env('DB_POOLED', {pooled}),
        'direct' => [
            'host' => env('DB_DIRECT_HOST', {direct_host}),
            'port' => env('DB_DIRECT_PORT', '{direct_port}'),
            'username' => env('DB_DIRECT_USERNAME', env('DB_USERNAME', {user})),
            'password' => env('DB_DIRECT_PASSWORD', env('DB_PASSWORD', '')),
            'sslmode' => env('DB_DIRECT_SSLMODE', env('DB_SSLMODE', 'prefer')),
        ],
        'options' => [
{options}        ],
    ],
];
",
        header = header(plan, "laravel", "//"),
        connection = connection(
            service,
            &format!("env('DB_HOST', {})", php(host)),
            &format!("env('DB_PORT', '{port}')"),
        ),
        direct_host = php(&database.host),
        direct_port = database.port,
        user = php(&service.user),
        options = options(service, None),
    )
}

fn for_12(plan: &Plan, service: &Service) -> String {
    let (host, port) = address(plan, service);
    let database = &plan.facts.database;
    let pooled = shares_servers(plan, service);
    format!(
        "<?php

{header}// For Laravel 12 and older: 'connections' => require __DIR__.'/connections-12.php', in
// config/database.php. Migrations: php artisan migrate --database=pgsql_direct

return [
    'pgsql' => [
{connection}        'options' => [
{options}        ],
    ],
    'pgsql_direct' => [
{direct}        'options' => [
{direct_options}        ],
    ],
];
",
        header = header(plan, "laravel", "//"),
        connection = connection(
            service,
            &format!("env('DB_HOST', {})", php(host)),
            &format!("env('DB_PORT', '{port}')"),
        ),
        options = options(service, pooled.then_some(true)),
        direct = connection(
            service,
            &format!("env('DB_DIRECT_HOST', {})", php(&database.host)),
            &format!("env('DB_DIRECT_PORT', '{}')", database.port),
        ),
        direct_options = options(service, None),
    )
}

/// A string in PHP.
fn php(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
