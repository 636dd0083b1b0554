//! Runs seeds and says how it went: `pgweir-sim [--level pool|all] [--seeds N] [--first S] [--trace]`.

use std::process::ExitCode;
use std::time::Instant;

use pgweir_sim::Tally;
use pgweir_sim::level::Level;
use pgweir_sim::replay::{self, Then};
use pgweir_sim::seeds::REGRESSIONS;

/// Every so many seeds one is run twice and compared.
const TWICE_EVERY: u64 = 16;

struct Arguments {
    levels: Vec<Level>,
    seeds: u64,
    first: u64,
    print: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!(
                "{problem}\nusage: pgweir-sim [--level {}|all] [--seeds N] [--first S] [--trace]",
                Level::ALL.map(Level::name).join("|")
            );
            return ExitCode::from(2);
        }
    };
    replay::announce(Then::Exit);
    for &level in &arguments.levels {
        run(level, &arguments);
    }
    ExitCode::SUCCESS
}

fn run(level: Level, arguments: &Arguments) {
    let started = Instant::now();
    let mut tally = Tally::default();
    if !arguments.print {
        for regression in REGRESSIONS.iter().filter(|r| r.level == level) {
            level.run(regression.seed, false);
        }
    }
    let progress_every = (arguments.seeds / 10).max(1);
    for at in 0..arguments.seeds {
        let seed = arguments.first.wrapping_add(at);
        let outcome = if at % TWICE_EVERY == 0 && !arguments.print {
            level.run_twice(seed)
        } else {
            level.run(seed, arguments.print)
        };
        tally.merge(&outcome.tally);
        let done = at + 1;
        if done % progress_every == 0 && done < arguments.seeds {
            println!("{}: {done} of {} seeds", level.name(), arguments.seeds);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    print!("{tally}");
    println!(
        "{}: {} seeds from {} hold, {seconds:.1} s",
        level.name(),
        arguments.seeds,
        arguments.first
    );
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        levels: Level::ALL.to_vec(),
        seeds: 1000,
        first: 0,
        print: false,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value"));
        match word.as_str() {
            "--level" => arguments.levels = levels(&value()?)?,
            "--seeds" => arguments.seeds = number(&word, &value()?)?,
            "--first" => arguments.first = number(&word, &value()?)?,
            "--trace" => arguments.print = true,
            _ => return Err(format!("unknown argument {word:?}")),
        }
    }
    Ok(arguments)
}

fn levels(name: &str) -> Result<Vec<Level>, String> {
    if name == "all" {
        return Ok(Level::ALL.to_vec());
    }
    let level = Level::ALL.into_iter().find(|level| level.name() == name);
    level
        .map(|level| vec![level])
        .ok_or(format!("unknown level {name:?}"))
}

fn number(name: &str, value: &str) -> Result<u64, String> {
    value
        .parse()
        .map_err(|_| format!("{name} needs a number, got {value:?}"))
}
