//! PHP-FPM: a file for each pool. FPM reads no variables by itself, but expands those that a file names.

use super::connect::of_kind;
use super::file::{File, header};
use crate::facts::{Kind, Service};
use crate::plan::Plan;

pub(super) fn files(plan: &Plan) -> Vec<File> {
    of_kind(plan, &[Kind::PhpFpm])
        .flat_map(|service| {
            let name = &service.name;
            [
                File {
                    path: format!("php-fpm/{name}.conf"),
                    content: header(plan, "php-fpm", ";") + &pool(service, Numbers::Variables),
                },
                File {
                    path: format!("php-fpm/{name}.env"),
                    content: environment(plan, service),
                },
            ]
        })
        .collect()
}

/// The port that FastCGI is spoken on, as in the official image.
pub(super) const PORT: u16 = 9000;

/// Where the official image reads it: behind its own files, the last of which is `zz-docker.conf`.
pub(super) const MOUNTED: &str = "/usr/local/etc/php-fpm.d/zzz-pgweir.conf";

/// The variables by name, and what they set.
pub(super) fn variables(service: &Service) -> [(&'static str, &'static str, u64); 5] {
    let fpm = &service.fpm;
    [
        ("PHP_FPM_MAX_CHILDREN", "pm.max_children", service.pool.0),
        ("PHP_FPM_START_SERVERS", "pm.start_servers", fpm.start),
        ("PHP_FPM_MIN_SPARE", "pm.min_spare_servers", fpm.spare_min),
        ("PHP_FPM_MAX_SPARE", "pm.max_spare_servers", fpm.spare_max),
        ("PHP_FPM_MAX_REQUESTS", "pm.max_requests", fpm.requests_max),
    ]
}

fn environment(plan: &Plan, service: &Service) -> String {
    let mut text = header(plan, "php-fpm", "#");
    for (variable, _, value) in variables(service) {
        text.push_str(&format!("{variable}={value}\n"));
    }
    text
}

/// How a pool file says its numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// As variables, which whoever starts FPM sets.
    Variables,
    /// As they are, where the file is replaced with them.
    Written,
}

/// The file of a pool, without a header.
pub(super) fn pool(service: &Service, numbers: Numbers) -> String {
    let deadline = crate::units::whole_seconds(service.request_deadline);
    let mut text = match numbers {
        Numbers::Variables => format!(
            "; Set all variables of {}.env: to FPM, one that is not set is empty.\n",
            service.name
        ),
        Numbers::Written => String::new(),
    };
    text.push_str(&format!(
        "; The pool has the name that the official image and Debian give theirs, and adds to it: two pools\n\
         ; cannot listen on one port. In the image it is {MOUNTED}.\n\
         \n\
         [www]\n\
         user = www-data\n\
         group = www-data\n\
         listen = {PORT}\n\
         pm = dynamic\n"
    ));
    for (variable, setting, value) in variables(service) {
        match numbers {
            Numbers::Variables => text.push_str(&format!("{setting} = ${{{variable}}}\n")),
            Numbers::Written => text.push_str(&format!("{setting} = {value}\n")),
        }
    }
    text.push_str(&format!(
        "; Each child holds up to {} database connections.\n\
         request_terminate_timeout = {deadline}s\n\
         ; Lets the children see DB_HOST, DB_PASSWORD and the others.\n\
         clear_env = no\n\
         catch_workers_output = yes\n",
        service.dsns
    ));
    text
}
