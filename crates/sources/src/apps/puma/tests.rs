//! What `puma.rb` is read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};

#[test]
fn workers_multiply_what_each_process_opens() {
    check(
        "shop/config/puma.rb",
        &[
            (
                "max = ENV.fetch('RAILS_MAX_THREADS') { 5 }\nthreads max, max\nworkers ENV.fetch('WEB_CONCURRENCY') { 2 }\npreload_app!\n",
                &["processes 2 by workers of Puma"],
            ),
            (
                "workers(4) # four\nthreads 1, 6\n",
                &["processes 4 by workers of Puma"],
            ),
            ("# workers 4\nthreads 3, 3\nplugin :tmp_restart\n", &[]),
            (
                "if ENV['RAILS_ENV'] == 'production'\n  count = Integer(ENV.fetch('WEB_CONCURRENCY') { Concurrent.physical_processor_count })\n  \
                 workers count if count > 1\nend\n",
                &[
                    "open processes: workers of Puma is Concurrent.physical_processor_count, which none of the files says",
                ],
            ),
            (
                "workers ENV['WEB_CONCURRENCY'] || 3\n",
                &["processes 3 by workers of Puma"],
            ),
            (
                "workers :auto\n",
                &["open processes: workers of Puma is an expression, which none of the files says"],
            ),
            ("workers 0\n", &["processes 1 by workers of Puma"]),
        ],
    );
    let text = "threads 5, 5\n";
    assert_eq!(
        said("puma.rb", text, &[("WEB_CONCURRENCY", "3")]),
        ["processes 3 by WEB_CONCURRENCY"]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..20)) {
        let parts = ["workers ", "\n", "ENV.fetch(", "'A'", ")", "{ ", "} ", "2", " if ", "#", "é", ",", "\""];
        survives("puma.rb", &parts, &numbers);
    }
}
