//! What the arithmetic of the documents and of its first reading left out.

use super::{ISS_TRACKER, draft, has, plan_of, planned};
use crate::fleet::presets::PRESETS;
use crate::formula::demand::Verdict;
use crate::plan::Severity;
use crate::units::{Bytes, Connections};

#[test]
fn children_follow_the_time_of_requests_and_not_of_statements() {
    // 100 requests a second of 200 ms keep 20 children busy, whatever their statements take.
    for (kind, size) in [("php-fpm", "pool"), ("octane", "processes")] {
        let plan = planned(&format!(
            "[services.web]\nkind = \"{kind}\"\nreplicas = 2\nrequests = 100\n{size} = 3\nrequest_time = \"200ms\"\n"
        ));
        let service = &plan.services[0];
        assert_eq!(service.busy, Some(20.0), "{kind}");
        // One of the two carries it all while the other is gone.
        assert_eq!(service.need, Some(Connections(31)), "{kind}");
        assert_eq!(service.mean_wait_ms, None, "{kind}");
        let finding = has(&plan, "F10").unwrap();
        let remedy = format!("set {size} to 31, or shorten the request time");
        assert_eq!(finding.remedy, remedy);
    }
    // Nobody said how long a request takes: that is no reason for a warning.
    let guessed = planned("[services.w]\nkind = \"php-fpm\"\nrequests = 100\npool = 3\n");
    let finding = has(&guessed, "F10").unwrap();
    assert_eq!(finding.severity, Severity::Info, "{finding:?}");
    let functions = planned("[services.f]\nkind = \"serverless\"\nreplicas = 40\nrequests = 100\n");
    assert_eq!(functions.services[0].need, Some(Connections(31)));
    assert_eq!(functions.queueing.separate, Some(Connections(31)));
    assert!(has(&functions, "F10").is_none());
}

#[test]
fn the_need_holds_while_an_instance_is_gone() {
    let plan = planned("[services.a]\nreplicas = 3\nrequests = 200\nqueries_per_request = 1\n");
    // 100/s for each of two, not 67/s for each of three.
    let goal = plan.facts.operations.goal;
    let load = plan.facts.services[0].work.checkouts().unwrap();
    assert_eq!(
        plan.services[0].need,
        load.need_of_pool(goal, 2, Connections(1))
    );
    let hold = "hold = \"20ms\"\n";
    let three = planned(&format!(
        "[services.a]\nreplicas = 3\nrequests = 200\nqueries_per_request = 1\n{hold}"
    ));
    assert!(three.services[0].need > load.need_of_pool(goal, 3, Connections(1)));
}

#[test]
fn bursts_need_more_and_wait_longer() {
    let fleet = "[services.a]\nreplicas = 2\npool = 6\nrequests = 200\n";
    let even = planned(fleet);
    let bursts = planned(&format!("{fleet}arrival_variation = 8\n"));
    assert!(bursts.services[0].need > even.services[0].need);
    assert!(bursts.services[0].mean_wait_ms > even.services[0].mean_wait_ms);
    // An assumed time is shown with what its double and its fivefold would change.
    let slower: Vec<_> = even.queueing.slower.iter().map(|s| s.name).collect();
    assert_eq!(slower, ["2x", "5x"]);
    assert!(Some(even.queueing.slower[1].separate) > even.queueing.separate);
    let given = planned(&format!("{fleet}hold = \"5ms\"\n"));
    assert!(given.queueing.slower.is_empty());
}

#[test]
fn changes_are_tried_and_the_one_that_breaks_least_comes_first() {
    // 2 GB: 500 connections would not fit its memory.
    let plan = planned(
        "[database]\nphysical_cores = 4\nram = \"2GB\"\n[services.a]\nreplicas = 8\npool = 40\nrequests = 4000\n\
         hold = \"40ms\"\n",
    );
    assert_eq!(plan.capacity.verdict, Verdict::Fail);
    let more = plan.changes.iter().find(|change| change.restart).unwrap();
    assert!(more.breaks[0].contains("of memory"), "{:?}", more.breaks);
    assert!(!plan.changes[0].restart, "{:?}", plan.changes);
    for change in &plan.changes {
        let mut draft = draft(
            "[database]\nphysical_cores = 4\nram = \"2GB\"\n[services.a]\nreplicas = 8\npool = 40\n\
             requests = 4000\nhold = \"40ms\"\n",
        );
        for supposition in &change.suppose {
            draft.suppose(supposition).unwrap();
        }
        assert_eq!(plan_of(&draft).capacity.verdict, Verdict::Ok, "{change:?}");
    }
    // No PostgreSQL has that many connections.
    let huge = planned(
        "[services.a]\nreplicas = 1000\npool = 1000\nrequests = 10000000\nhold = \"10ms\"\n",
    );
    assert!(
        huge.changes.iter().all(|change| !change.restart),
        "{:?}",
        huge.changes
    );
}

#[test]
fn a_chosen_size_stays_below_the_cap() {
    let plan = planned(
        "[database]\nphysical_cores = 64\nmax_connections = 100\n[pooler]\nmax_db_connections = 90\n\
         [services.a]\nreplicas = 10\n",
    );
    let pooler = plan.pooler.unwrap();
    assert_eq!(pooler.cap, Connections(74));
    assert!(pooler.servers <= pooler.cap, "{pooler:?}");
    assert_eq!(plan.capacity.verdict, Verdict::Ok);
}

#[test]
fn memory_counts_page_tables_of_idle_connections_and_bounds_work_mem_by_the_worst_case() {
    let fleet = |huge: &str| {
        planned(&format!(
            "[database]\nphysical_cores = 32\nram = \"256GB\"\nmax_connections = 200\n{huge}[services.a]\n"
        ))
    };
    let plan = fleet("");
    // 64 GB of shared buffers: 128 MB of page tables for each of 200 connections.
    let with_huge_pages = fleet("huge_pages = true\n").memory.expected_bytes;
    let tables = plan.memory.expected_bytes.less(with_huge_pages);
    assert_eq!(tables, Bytes::mib(128 * 200));
    let most = plan.memory.work_mem_max_bytes;
    assert!(most.times(200) <= plan.memory.ram_bytes, "{most}");
}

#[test]
fn a_rollout_that_was_left_out_is_told_of() {
    let medium = plan_of(&PRESETS[1].draft());
    let told = has(&medium, "F2").unwrap();
    assert!(
        told.message.contains("150 connections, 102.0 %"),
        "{told:?}"
    );
    assert!(
        medium
            .reasons
            .iter()
            .any(|reason| reason.contains("102.0 %"))
    );
    assert!(has(&plan_of(&PRESETS[0].draft()), "F2").is_none());
}

#[test]
fn the_second_documents_ways_up_have_figures() {
    let plan = planned(ISS_TRACKER);
    let pools = &plan.advice[1];
    assert!(pools.summary.starts_with("not known"), "{pools:?}");
    assert!(
        pools.reasons[0]
            .text
            .contains("the fleet opens 100 at its peak, 106.2 %"),
        "{pools:?}"
    );
    let mut draft = draft(ISS_TRACKER);
    draft.suppose("rust-iss.requests=3000").unwrap();
    let busy = plan_of(&draft);
    assert!(busy.advice[1].called_for, "{:?}", busy.advice[1]);
}
