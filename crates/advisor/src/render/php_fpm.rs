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
                    content: pool(plan, service),
                },
                File {
                    path: format!("php-fpm/{name}.env"),
                    content: environment(plan, service),
                },
            ]
        })
        .collect()
}

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

fn pool(plan: &Plan, service: &Service) -> String {
    let deadline = crate::units::whole_seconds(service.request_deadline);
    let mut text = header(plan, "php-fpm", ";");
    text.push_str(&format!(
        "; Set all variables of {name}.env: to FPM, one that is not set is empty.\n\
         \n\
         [{name}]\n\
         user = www-data\n\
         group = www-data\n\
         listen = 9000\n\
         pm = dynamic\n",
        name = service.name
    ));
    for (variable, setting, _) in variables(service) {
        text.push_str(&format!("{setting} = ${{{variable}}}\n"));
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
