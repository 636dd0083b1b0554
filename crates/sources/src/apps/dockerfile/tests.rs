//! What Dockerfiles are read as.

use proptest::prelude::*;

use super::super::tests::{check, said, survives};
use super::stage;
use crate::file::SourceFile;

#[test]
fn an_image_starts_what_its_last_stage_says() {
    check(
        "api/Dockerfile",
        &[
            (
                "FROM python:3.12\nENV WEB_CONCURRENCY=4 PATH=/venv/bin:$PATH\nCMD [\"gunicorn\", \"app:app\", \"--threads\", \"2\"]\n",
                &[
                    "processes 4 by WEB_CONCURRENCY",
                    "threads 2 by --threads of gunicorn",
                ],
            ),
            (
                "FROM node AS build\nCMD [\"npm\", \"test\"]\nFROM node\nENV N 3\nCMD pm2-runtime app.js \\\n  # instances\n  -i $N\n",
                &["processes 3 by -i of pm2-runtime"],
            ),
            (
                "FROM python AS base\nENTRYPOINT [\"fastapi\", \"run\"]\nFROM base\nCMD [\"--workers\", \"4\", \"app/main.py\"]\n",
                &["processes 4 by --workers of fastapi"],
            ),
            ("FROM nginx\nCOPY . /\n", &[]),
            (
                "FROM x\nENV DATABASE_URL=\"postgres://db/app?connection_limit=3\"\n",
                &[
                    "kind prisma6",
                    "pool 3 by connection_limit of the URL",
                    "at postgres db/app",
                ],
            ),
        ],
    );
    let text = "FROM ruby AS web\nCMD [\"puma\", \"-w\", \"2\"]\nFROM web AS jobs\nCMD [\"sidekiq\", \"-c\", \"7\"]\n";
    let source = SourceFile {
        name: "Dockerfile",
        text,
    };
    for (target, expected) in [
        (Some("web"), "puma"),
        (Some("JOBS"), "sidekiq"),
        (None, "sidekiq"),
    ] {
        assert_eq!(
            stage(&source, target).command[0].known(),
            Some(expected),
            "{target:?}"
        );
    }
    assert_eq!(
        said(
            "Dockerfile",
            "FROM x\nCMD uvicorn app:app --workers ${WORKERS:-2}",
            &[("WORKERS", "5")]
        ),
        ["processes 5 by --workers of uvicorn"]
    );
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(numbers in prop::collection::vec(any::<usize>(), 0..24)) {
        let parts = ["FROM a", " AS b", "\n", "CMD ", "ENTRYPOINT ", "ENV ", "[", "\"", "]", ", ", "A=1", "\\\n", "\\", "#", "é", "$", "sh"];
        survives("Dockerfile", &parts, &numbers);
    }

    #[test]
    fn the_order_of_instructions_of_a_stage_changes_nothing(order in Just(vec!["CMD [\"gunicorn\", \"app\"]\n", "ENV WEB_CONCURRENCY=3\n", "EXPOSE 80\n", "USER a\n"]).prop_shuffle()) {
        let text = format!("FROM x\n{}", order.concat());
        prop_assert_eq!(
            said("Dockerfile", &text, &[]),
            ["processes 3 by WEB_CONCURRENCY", "threads 1 by gunicorn's default of threads"]
        );
    }
}
