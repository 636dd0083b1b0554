//! What pool files of php-fpm are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn children_are_the_size_whatever_starts_them() {
    check(
        "shop/www.conf",
        &[
            (
                "[www]\nuser = www-data\npm = dynamic\npm.max_children = 20 ; many\npm.start_servers=4\npm.min_spare_servers = \
                 2\npm.max_spare_servers = 6\npm.max_requests = 500\n",
                &[
                    "kind php-fpm",
                    "pool 20 by pm.max_children",
                    "start_servers 4 by pm.start_servers",
                    "min_spare_servers 2 by pm.min_spare_servers",
                    "max_spare_servers 6 by pm.max_spare_servers",
                    "max_requests 500 by pm.max_requests",
                ],
            ),
            (
                "[www]\npm = static\npm.max_children = 12\npm.start_servers = 4\n",
                &["kind php-fpm", "pool 12 by pm.max_children"],
            ),
            (
                "[www]\npm = ondemand\npm.max_children = 30\npm.process_idle_timeout = 10s\n",
                &["kind php-fpm", "pool 30 by pm.max_children"],
            ),
            (
                "[api]\npm = static\npm.max_children = 5\nenv[DB_HOST] = db\nenv[DB_CONNECTION] = 'pgsql'\n[admin]\npm = \
                 static\npm.max_children = \"3\"\n",
                &[
                    "[api]",
                    "kind php-fpm",
                    "pool 5 by pm.max_children",
                    "at postgres db/",
                    "[admin]",
                    "kind php-fpm",
                    "pool 3 by pm.max_children",
                ],
            ),
            (
                "[www]\npm = static\npm.max_children = ${CHILDREN}\n",
                &[
                    "kind php-fpm",
                    "open pool: pm.max_children is ${CHILDREN}, which none of the files says",
                ],
            ),
            (
                "[www]\npm = static\npm.max_children = ${CHILDREN:-9}\n;pm.max_children = 5\n",
                &["kind php-fpm", "pool 9 by pm.max_children"],
            ),
            (
                "pm = static\n",
                &[
                    "kind php-fpm",
                    "else open pool: a pool of php-fpm has no pm.max_children here",
                ],
            ),
            (
                "[www]\npm.max_children = 5\npm.max_children = 8\n",
                &["kind php-fpm", "pool 8 by pm.max_children"],
            ),
            (
                "[global]\ndaemonize = no\ninclude=etc/php-fpm.d/*.conf\n",
                &["include etc/php-fpm.d/*.conf"],
            ),
        ],
    );
    assert_eq!(
        said(
            "www.conf",
            "[www]\npm.max_children = ${CHILDREN}\n",
            &[("CHILDREN", "40")]
        )[1],
        "pool 40 by pm.max_children"
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["[www]", "\n", "pm", " = ", "static", "pm.max_children", "${", "A", ":-", "}", "\"", ";", "#", "5", "env[A]", "include", "é", "[", "]"];
        let head = "pm = static\n";
        survives("www.conf", &[&[head], parts.as_slice()].concat(), &[vec![0], numbers].concat());
    }

    #[test]
    fn the_order_of_settings_changes_nothing(order in Just(vec!["pm = static\n", "pm.max_children = 7\n", "user = a\n", "listen = 9000\n"]).prop_shuffle()) {
        let text = format!("[www]\n{}", order.concat());
        prop_assert_eq!(said("www.conf", &text, &[]), ["kind php-fpm", "pool 7 by pm.max_children"]);
    }
}
