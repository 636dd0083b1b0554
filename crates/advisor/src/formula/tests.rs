//! The test vectors, each by its number (TV-n), computed by an independent implementation.

use std::time::Duration;

use proptest::prelude::*;

use super::base::{Storage, active_optimum, active_optimum_of_documents};
use super::demand::{Surge, Verdict};
use super::queueing::{Goal, Load};
use super::scaling::{Law, Step, Unfit};
use super::{base, demand, memory, pooler, queueing, scaling};
use crate::units::{Bytes, Connections, Rate, percent_text};

fn c(count: u64) -> Connections {
    Connections(count)
}

fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn tv_1_to_4_the_base_formula_in_all_its_readings() {
    // Number, cores, one spindle, S1's table, S2's rounding, the model.
    let rows = [
        (1, 2, 5, Some((10, 10)), 10, 4),
        (2, 4, 9, Some((20, 20)), 10, 8),
        (3, 8, 17, Some((30, 50)), 20, 16),
        (4, 16, 33, None, 40, 32),
        (4, 32, 65, None, 70, 64),
    ];
    for (tv, cores, raw, table, rounded, model) in rows {
        assert_eq!(active_optimum_of_documents(cores), c(raw), "TV-{tv}");
        let table = table.map(|(low, high)| (c(low), c(high)));
        assert_eq!(base::prisma_guide_use(cores), table, "TV-{tv}");
        assert_eq!(base::up_to_ten(c(raw)), c(rounded), "TV-{tv}");
        let spindles = base::effective_spindles(Storage::Ssd, 0.0);
        assert_eq!(active_optimum(cores, spindles), c(model), "TV-{tv}");
    }
}

#[test]
fn tv_5_the_default_of_prisma_6() {
    for (cores, expected) in [(4, 9), (8, 17), (10, 21)] {
        assert_eq!(
            active_optimum_of_documents(cores),
            c(expected),
            "TV-5 {cores}"
        );
    }
}

#[test]
fn tv_6_the_deadlock_floor() {
    for (connections, tasks, expected) in [(4, 3, 10), (3, 8, 17), (1, 50, 1)] {
        let floor = base::deadlock_floor(tasks, connections);
        assert_eq!(floor, c(expected), "TV-6 {tasks} {connections}");
    }
}

#[test]
fn spindles_count_only_where_something_rotates_and_misses() {
    let hdd = Storage::Hdd { spindles: 8 };
    assert_eq!(base::effective_spindles(hdd, 0.0), 8);
    assert_eq!(base::effective_spindles(hdd, 0.9), 1);
    assert_eq!(base::effective_spindles(hdd, 0.99), 0);
    assert_eq!(base::effective_spindles(Storage::Nvme, 0.0), 0);
    assert_eq!(base::effective_spindles(Storage::Cloud, 0.0), 0);
}

/// One row of TV-10 to TV-17: groups of (replicas, pool, surge), and what comes out.
struct Row {
    tv: u32,
    groups: &'static [(u64, u64, u32)],
    max: u64,
    steady: u64,
    surged: u64,
    util: &'static str,
    verdict: Verdict,
}

#[test]
fn tv_10_to_17_demand_against_what_postgres_gives() {
    use Verdict::{Fail, Ok, Warn};
    #[rustfmt::skip]
    let rows = [
        Row { tv: 10, groups: &[(3, 10, 25), (1, 20, 0)], max: 100, steady: 50, surged: 60, util: "51.5 %", verdict: Ok },
        Row { tv: 11, groups: &[(1, 20, 0); 5], max: 100, steady: 100, surged: 100, util: "103.1 %", verdict: Fail },
        Row { tv: 11, groups: &[(1, 20, 0); 5], max: 200, steady: 100, surged: 100, util: "50.8 %", verdict: Ok },
        Row { tv: 12, groups: &[(3, 50, 25)], max: 100, steady: 150, surged: 200, util: "154.6 %", verdict: Fail },
        Row { tv: 13, groups: &[(3, 20, 25)], max: 100, steady: 60, surged: 80, util: "61.9 %", verdict: Warn },
        Row { tv: 14, groups: &[(3, 15, 25), (1, 20, 0)], max: 100, steady: 65, surged: 80, util: "67.0 %", verdict: Warn },
        Row { tv: 15, groups: &[(3, 20, 25), (1, 20, 0)], max: 100, steady: 80, surged: 100, util: "82.5 %", verdict: Fail },
        Row { tv: 16, groups: &[(3, 5, 25), (1, 10, 0)], max: 100, steady: 25, surged: 30, util: "25.8 %", verdict: Ok },
        Row { tv: 17, groups: &[(1, 100, 0)], max: 100, steady: 100, surged: 100, util: "103.1 %", verdict: Fail },
    ];
    for row in rows {
        let tv = row.tv;
        let total = |surge: bool| -> Connections {
            let of_group = |&(replicas, pool, percent): &(u64, u64, u32)| {
                let percent = if surge { percent } else { 0 };
                let replicas = demand::replicas_during_rollout(replicas, Surge::Percent(percent));
                demand::demand(replicas, 1, c(pool), 1)
            };
            row.groups.iter().map(of_group).sum()
        };
        let usable = demand::usable(c(row.max), c(3), c(0));
        assert_eq!(total(false), c(row.steady), "TV-{tv}");
        assert_eq!(total(true), c(row.surged), "TV-{tv}");
        assert_eq!(percent_text(total(false), usable), row.util, "TV-{tv}");
        let peak = total(false).max(total(true));
        let verdict = demand::verdict(peak, c(3), usable, 80);
        assert_eq!(verdict, row.verdict, "TV-{tv}");
    }
}

#[test]
fn tv_11_to_13_the_max_connections_that_would_do() {
    for (tv, demand, need, recommended) in
        [(11, 100, 132, 150), (12, 200, 257, 300), (13, 80, 107, 150)]
    {
        let found = demand::need(c(demand), c(3), c(3), c(0), 80);
        assert_eq!(found, c(need), "TV-{tv}");
        let rounded = demand::recommended_max_connections(found);
        assert_eq!(rounded, c(recommended), "TV-{tv}");
    }
    assert_eq!(demand::recommended_max_connections(c(1)), c(50));
}

#[test]
fn tv_18_the_pool_that_fits() {
    let fits = demand::pool_that_fits(c(97), 80, c(3), c(20), 3);
    assert_eq!(fits, Some(c(18)), "TV-18");
    assert_eq!(demand::pool_that_fits(c(97), 80, c(3), c(80), 3), None);
    assert_eq!(demand::pool_that_fits(c(97), 80, c(3), c(0), 0), None);
}

#[test]
fn tv_19_oversubscription() {
    let ratio = |optimum| c(50).ratio(optimum).unwrap();
    assert_eq!(ratio(active_optimum(4, 0)), 6.25, "TV-19");
    let of_documents = ratio(active_optimum_of_documents(4));
    assert!((of_documents - 5.5556).abs() < 1e-4, "TV-19");
}

#[test]
fn tv_30_to_36_memory() {
    let seed = |factor| memory::of_prisma_guide(c(100), Bytes::mib(4), factor);
    assert_eq!(seed(2), Bytes::mib(800), "TV-30");
    assert_eq!(seed(8), Bytes::mib(3200), "TV-30");
    for (gib, mib) in [(1, 2), (8, 16), (32, 64)] {
        let tables = memory::page_tables(Bytes::gib(gib));
        assert_eq!(tables, Bytes::mib(mib), "TV-31 {gib}");
    }
    for (tv, active, nodes, factor, executors, execution, total) in [
        (32, 100, 1, 1.0, 108, 432, 1244),
        (33, 100, 1, 2.0, 108, 864, 1676),
        (34, 100, 3, 2.0, 108, 2592, 3404),
        (35, 9, 1, 2.0, 17, 136, 948),
    ] {
        let inputs = memory_inputs(active, nodes, factor);
        let found = memory::executors(inputs.active, 2, 8);
        assert_eq!(found, executors, "TV-{tv}");
        assert_eq!(memory::execution(&inputs), Bytes::mib(execution), "TV-{tv}");
        assert_eq!(memory::total(&inputs), Bytes::mib(total), "TV-{tv}");
        // The inverse finds the work_mem that was put in.
        let inverse = memory::work_mem_max(&inputs, Bytes::mib(total));
        assert_eq!(inverse, Bytes::mib(4), "TV-{tv}");
    }
    for (gib, connections, cores, kib) in [
        (1, 100, 1, 2427),
        (4, 100, 4, 10_082),
        (16, 200, 8, 20_164),
        (64, 300, 16, 53_092),
    ] {
        let found = memory::pgtune_work_mem(Bytes::gib(gib), c(connections), cores);
        assert_eq!(found, Bytes::kib(kib), "TV-36 {gib} GB");
    }
}

fn memory_inputs(active: u64, nodes: u64, hash_factor: f64) -> memory::Inputs {
    memory::Inputs {
        connections: c(100),
        active: c(active),
        work_mem: Bytes::mib(4),
        hash_factor,
        nodes,
        workers_per_gather: 2,
        parallel_workers_max: 8,
        shared_buffers: Bytes::mib(256),
        idle_backend: Bytes::mib(3),
        page_table_owners: c(0),
        autovacuum_workers: 3,
        autovacuum_work_mem: Bytes::mib(64),
        maintenance_work_mem: Bytes::mib(64),
        maintenance_sessions: 1,
    }
}

#[test]
fn a_budget_is_nine_tenths() {
    assert_eq!(memory::budget(Bytes(1000), Bytes(100)), Bytes(800));
    assert_eq!(memory::budget(Bytes(19), Bytes(0)), Bytes(17));
    let most = memory::budget(Bytes(u64::MAX), Bytes(0));
    assert!(most < Bytes(u64::MAX));
}

fn load(rate: f64, hold: u64) -> Load {
    Load {
        rate: Rate(rate),
        hold: ms(hold),
        variation: 1.0,
    }
}

const GOAL: Goal = Goal {
    wait: Duration::from_millis(10),
    probability: 0.01,
};

#[test]
fn tv_40_to_44_queueing_need() {
    for (tv, rate, hold, wait, busy, need) in [
        (40, 30.0, 5, 10, 0.15, 2),
        (41, 50.0, 5, 10, 0.25, 2),
        (42, 300.0, 5, 10, 1.5, 4),
        (43, 1500.0, 5, 10, 7.5, 10),
        (44, 2000.0, 20, 20, 40.0, 44),
    ] {
        let load = load(rate, hold);
        assert!((load.busy() - busy).abs() < 1e-9, "TV-{tv}");
        let goal = Goal {
            wait: ms(wait),
            ..GOAL
        };
        assert_eq!(load.need(goal), Some(c(need)), "TV-{tv}");
    }
}

#[test]
fn tv_45_erlang_c() {
    for (connections, probability) in [(2, 0.642857), (3, 0.236842), (4, 0.074586), (5, 0.020139)] {
        let found = queueing::erlang_c(connections, 1.5);
        assert!((found - probability).abs() < 1e-6, "TV-45 {found}");
    }
}

#[test]
fn tv_45_and_46_mean_waits() {
    let bursts = Load {
        variation: (4.0 + 2.0) / 2.0,
        ..load(300.0, 5)
    };
    for (load, connections, wait) in [
        (load(300.0, 5), 2, 6.4286),
        (load(300.0, 5), 3, 0.7895),
        (load(300.0, 5), 4, 0.1492),
        (load(300.0, 5), 5, 0.0288),
        (bursts, 4, 0.4475),
    ] {
        let found = load.mean_wait(connections).unwrap().as_secs_f64() * 1000.0;
        assert!((found - wait).abs() < 1e-4, "TV-46 {connections}: {found}");
    }
    assert_eq!(load(300.0, 5).mean_wait(1), None);
    assert!(bursts.need(GOAL) > load(300.0, 5).need(GOAL));
    let clockwork = Load {
        variation: 0.0,
        ..load(300.0, 5)
    };
    assert_eq!(clockwork.need(GOAL), Some(c(2)));
}

#[test]
fn tv_47_what_sharing_gains() {
    let goal = Goal {
        wait: ms(50),
        ..GOAL
    };
    let alone = load(600.0, 20).need_of_pool(goal, 60, c(1)).unwrap();
    assert_eq!(alone.times(60), c(120), "TV-47");
    let shared = load(600.0, 20).need(goal).unwrap();
    assert_eq!(shared, c(14), "TV-47");
    let gain = alone.times(60).ratio(shared).unwrap();
    assert!((gain - 8.57).abs() < 0.005, "TV-47 {gain}");
}

#[test]
fn tv_50_and_51_pooler_sizes() {
    let inputs = pooler::Inputs {
        usable: c(97),
        target: 80,
        reserve: c(3),
        direct: c(0),
        need: c(4),
        optimum: c(8),
        kappa: 2,
        pairs: 1,
        databases: 1,
        instances: 1,
        per_database: None,
        reserve_pool: None,
        clients: c(60),
    };
    let sizes = pooler::sizes(&inputs);
    let found = [sizes.cap, sizes.want, sizes.servers, sizes.pool];
    // The reserve comes on top, or it would never be used.
    assert_eq!(found, [c(74), c(16), c(20), c(16)], "TV-50");
    assert_eq!(
        (sizes.reserve_pool, sizes.per_database),
        (c(4), c(20)),
        "TV-50"
    );
    assert_eq!(sizes.clients, c(100), "TV-50");
    let inputs = pooler::Inputs {
        usable: c(197),
        direct: c(5),
        need: c(14),
        optimum: c(16),
        pairs: 4,
        instances: 2,
        ..inputs
    };
    let sizes = pooler::sizes(&inputs);
    let found = [sizes.cap, sizes.want, sizes.servers, sizes.pool];
    assert_eq!(found, [c(149), c(32), c(40), c(4)], "TV-51");
    assert_eq!(
        (sizes.reserve_pool, sizes.per_database),
        (c(1), c(20)),
        "TV-51"
    );
    // One of the two instances carries the whole load alone, and all clients.
    let sizes = pooler::sizes(&pooler::Inputs {
        need: c(30),
        pairs: 1,
        ..inputs
    });
    assert_eq!((sizes.want, sizes.pool), (c(60), c(30)));
    assert_eq!(pooler::client_limit(c(1000)), c(1250));
}

#[test]
fn tv_52_and_53_the_documents_pooler() {
    // 1000 clients and 25 servers, and a fifth more.
    assert_eq!(pooler::descriptors(c(1000), c(25)), 1262, "TV-52");
    let multiple = c(25).ratio(active_optimum(4, 0)).unwrap();
    assert_eq!(format!("{multiple:.1}"), "3.1", "TV-53");
}

/// Published measurements of a load test (Gunther, Guerrilla Capacity Planning).
const BOOK: [(f64, f64); 7] = [
    (1.0, 65.0),
    (18.0, 996.0),
    (36.0, 1652.0),
    (72.0, 1853.0),
    (108.0, 1829.0),
    (144.0, 1775.0),
    (216.0, 1702.0),
];

fn steps(pairs: &[(f64, f64)]) -> Vec<Step> {
    let step = |&(concurrency, throughput): &(f64, f64)| Step {
        concurrency,
        throughput: Rate(throughput),
    };
    pairs.iter().map(step).collect()
}

#[test]
fn tv_70_the_scalability_law_fits_the_book() {
    let fit = scaling::fit(&steps(&BOOK)).unwrap();
    let near = |found: f64, expected: f64, percent: f64| {
        let off = (found - expected).abs() / expected * 100.0;
        assert!(off < percent, "TV-70: {found} is not {expected}");
    };
    near(fit.law.lambda, 89.99, 1.0);
    near(fit.law.sigma, 0.027729, 1.5);
    near(fit.law.kappa, 0.00010435, 1.0);
    near(fit.law.peak().unwrap(), 96.5, 1.0);
    near(fit.law.throughput_max().unwrap(), 1883.8, 1.0);
    near(fit.law.throughput(50.0), 1721.0, 1.0);
    assert_eq!(fit.law.operating_point(), Some(c(59)), "TV-70");
    assert!(fit.r_squared > 0.95);
}

#[test]
fn a_law_is_refused_where_it_would_be_a_guess() {
    let fit = |pairs: &[(f64, f64)]| scaling::fit(&steps(pairs)).map(|_| ());
    assert_eq!(fit(&BOOK[..5]), Err(Unfit::Few { steps: 5 }));
    let short: Vec<_> = (1..8)
        .map(|n| (f64::from(n), 65.0 * f64::from(n)))
        .collect();
    assert!(matches!(fit(&short), Err(Unfit::Short { .. })));
    let noise = [900.0, 10.0, 800.0, 20.0, 700.0, 5.0].map(|x| x);
    let noise: Vec<_> = (1..7).map(f64::from).zip(noise).collect();
    assert!(matches!(fit(&noise), Err(Unfit::Loose { .. })));
    let mut nonsense = BOOK;
    nonsense[3].1 = f64::NAN;
    assert_eq!(fit(&nonsense), Err(Unfit::Nonsense { step: 3 }));
}

#[test]
fn tv_71_need_when_service_slows_down_under_load() {
    let law = Law {
        lambda: 90.69,
        sigma: 0.028168,
        kappa: 0.000104,
    };
    for (rate, need) in [
        (100.0, Some(4)),
        (500.0, Some(11)),
        (1000.0, Some(25)),
        (1500.0, Some(57)),
        (1800.0, None),
        (1900.0, None),
    ] {
        let found = scaling::need(&law, Rate(rate), GOAL);
        assert_eq!(found, need.map(Connections), "TV-71 {rate}");
    }
}

proptest! {
    #[test]
    fn verdicts_are_exact_at_their_borders(usable in 1u64..100_000, reserve in 0u64..100) {
        // The largest demand that is OK, and one more.
        let most = (usable * 80 / 100).checked_sub(reserve);
        if let Some(most) = most {
            let verdict = |demand| demand::verdict(c(demand), c(reserve), c(usable), 80);
            prop_assert_eq!(verdict(most), Verdict::Ok);
            prop_assert_ne!(verdict(most + 1), Verdict::Ok);
            prop_assert_eq!(verdict(usable + 1), Verdict::Fail);
            prop_assert_ne!(verdict(usable), Verdict::Fail);
        }
    }

    #[test]
    fn the_need_is_the_smallest_that_is_ok(demand in 0u64..1_000_000, reserve in 0u64..100) {
        let need = demand::need(c(demand), c(reserve), c(3), c(2), 80);
        let verdict = |max| {
            let usable = demand::usable(Connections(max), c(3), c(2));
            demand::verdict(c(demand), c(reserve), usable, 80)
        };
        prop_assert_eq!(verdict(need.0), Verdict::Ok);
        if demand + reserve > 0 {
            prop_assert_ne!(verdict(need.0 - 1), Verdict::Ok);
        }
    }

    #[test]
    fn the_pool_that_fits_is_the_largest(
        usable in 0u64..10_000, others in 0u64..10_000, instances in 1u64..100,
    ) {
        let verdict = |pool: u64| {
            let demand = c(others) + c(pool).times(instances);
            demand::verdict(demand, c(3), c(usable), 80)
        };
        match demand::pool_that_fits(c(usable), 80, c(3), c(others), instances) {
            Some(pool) => {
                prop_assert_eq!(verdict(pool.0), Verdict::Ok);
                prop_assert_ne!(verdict(pool.0 + 1), Verdict::Ok);
            }
            None => prop_assert_ne!(verdict(1), Verdict::Ok),
        }
    }

    #[test]
    fn more_load_never_needs_fewer(rate in 0.0f64..5_000.0, more in 0.0f64..500.0, hold in 1u64..50) {
        let need = |rate| load(rate, hold).need(GOAL).unwrap();
        prop_assert!(need(rate) <= need(rate + more));
    }

    #[test]
    fn a_pooler_stays_within_its_cap_and_can_use_its_reserve(
        usable in 0u64..2_000, direct in 0u64..300, need in 1u64..300, pairs in 1u64..6,
        instances in 1u64..5, given in proptest::option::of(1u64..300),
    ) {
        let inputs = pooler::Inputs {
            usable: c(usable), target: 80, reserve: c(3), direct: c(direct), need: c(need),
            optimum: c(8), kappa: 2, pairs, databases: 1, instances, clients: c(500),
            per_database: given.map(c), reserve_pool: None,
        };
        let sizes = pooler::sizes(&inputs);
        // Each pair gets one server of each instance, however little there is.
        prop_assert!(sizes.servers <= sizes.cap.max(c(instances * pairs)), "{sizes:?}");
        let of_pools = (sizes.pool + sizes.reserve_pool).times(pairs);
        // Where the cap has no place for a server of each pair, pools share what there is.
        if sizes.pool > c(1) {
            prop_assert!(of_pools <= sizes.per_database, "{sizes:?}");
        }
    }

    #[test]
    fn nothing_is_too_large_or_too_strange(
        a in any::<u64>(), b in any::<u64>(), d in any::<u64>(), percent in any::<u32>(),
        x in any::<f64>(), y in any::<f64>(),
    ) {
        let replicas = demand::replicas_during_rollout(a, Surge::Percent(percent));
        let total = demand::demand(replicas, b, c(d), a);
        let usable = demand::usable(c(a), c(b), c(d));
        let _ = demand::verdict(total, c(b), usable, percent);
        let _ = demand::recommended_max_connections(demand::need(total, c(b), c(d), c(a), percent));
        let _ = demand::pool_that_fits(usable, percent, c(b), c(d), a);
        let load = Load { rate: Rate(x), hold: Duration::from_nanos(b), variation: y };
        let _ = (load.need(GOAL), load.mean_wait(a % 100));
        let _ = queueing::erlang_c(a % 100, x);
        let _ = scaling::fit(&steps(&[(x, y); 7]));
        let _ = base::deadlock_floor(a, b);
        let _ = pooler::sizes(&pooler::Inputs {
            usable: c(a), target: percent, reserve: c(b), direct: c(d), need: c(a), optimum: c(b),
            kappa: d, pairs: a, databases: b, instances: d, clients: c(a), per_database: Some(c(b)),
            reserve_pool: Some(c(d)),
        });
    }
}

/// A queue played event by event: Poisson arrivals, exponential service, `c` connections, first come
/// first served.
fn simulated_wait_probability(connections: usize, a: f64, mut seed: u64) -> f64 {
    let mut uniform = || {
        // Knuth's MMIX generator; its high bits are good enough for a mean of many.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    };
    let mut free_at = vec![0.0f64; connections];
    let (mut now, mut waited) = (0.0, 0u32);
    for _ in 0..SIMULATED {
        now += -uniform().ln() / a;
        let service = -uniform().ln();
        let first = free_at.iter_mut().min_by(|x, y| x.total_cmp(y)).unwrap();
        if *first > now {
            waited += 1;
        }
        *first = first.max(now) + service;
    }
    f64::from(waited) / f64::from(SIMULATED)
}

const SIMULATED: u32 = 400_000;

#[test]
fn erlang_c_is_what_a_simulated_queue_does() {
    for (connections, a) in [(2, 1.5), (4, 1.5), (10, 7.5), (44, 36.0)] {
        let expected = queueing::erlang_c(connections, a);
        let found = simulated_wait_probability(connections as usize, a, connections);
        let off = (found - expected).abs();
        assert!(
            off < 0.02,
            "c={connections} a={a}: {found} is not {expected}"
        );
    }
}
