//! Every deliberate break of the model is noticed by the case that is there for it.
//!
//! The list stands in `docs/conformance.md`; `RINGPIPE_BLESS=1` writes it anew.

#[path = "common/report.rs"]
mod counted;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
    time::Duration,
};

use ringpipe::conformance::{
    Outcome, Report, Suite,
    model::{Break, Model, ModelReader, ModelWriter},
};

/// What hangs on purpose waits this long.
const WATCHDOG: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
enum Kind {
    Rendezvous,
    Buffered,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Rendezvous, Self::Buffered];

    fn name(self) -> &'static str {
        match self {
            Self::Rendezvous => "no buffer",
            Self::Buffered => "buffer",
        }
    }

    fn model(self) -> Model {
        match self {
            Self::Rendezvous => Model::rendezvous(),
            Self::Buffered => Model::buffered(256),
        }
    }

    fn has(self, rule: Break) -> bool {
        match self {
            Self::Rendezvous => rule.breaks_rendezvous(),
            Self::Buffered => rule.breaks_buffered(),
        }
    }

    fn suite(self, model: Model) -> Suite<ModelReader, ModelWriter> {
        Suite::new(self.name(), self.model().rules(), move || Ok(model.pair()))
            .parallel()
            .watchdog(WATCHDOG)
    }
}

/// Runs that a case gets to notice its break.
const TRIES: usize = 20;

/// Every break on every kind of model that has the rule.
fn all() -> Vec<(Break, Kind)> {
    Break::ALL
        .iter()
        .flat_map(|rule| Kind::ALL.map(|kind| (*rule, kind)))
        .filter(|(rule, kind)| kind.has(*rule))
        .collect()
}

/// Runs `work` for every break, many at a time since those that hang only wait.
fn for_each_break<T: Send>(at_once: usize, work: impl Fn(Break, Kind) -> T + Sync) -> Vec<T> {
    let todo = all();
    let next = Mutex::new(todo.iter().enumerate());
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let Some((at, (rule, kind))) = next.lock().unwrap().next() else {
                        return;
                    };
                    let result = work(*rule, *kind);
                    done.lock().unwrap().push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn reason<'a>(report: &'a Report, id: &str) -> Option<&'a str> {
    report.rows().iter().find_map(|row| match &row.outcome {
        Outcome::Failed(why) if row.id == id => Some(why.as_str()),
        _ => None,
    })
}

#[test]
fn the_case_that_is_there_for_a_rule_fails_when_it_is_broken() {
    let counted =
        counted::Report::new("T12 breaks", "deliberate breaks of the rules, each noticed");
    let noticed = for_each_break(24, |rule, kind| {
        let case = rule.noticed_by();
        let run = || kind.suite(kind.model().broken(rule)).only(case).run();
        let mut report = run();
        // What is wrong only when calls meet may stay hidden in one run, and the scheduler of a busy machine hides it often.
        for _ in 1..TRIES {
            if reason(&report, case).is_none() {
                report = run();
            }
        }
        let line = match reason(&report, case) {
            Some(why) => Ok(format!("{rule:?} ({}): {case}: {why}", kind.name())),
            None => Err(format!("{rule:?} ({}): not noticed by {case}\n{report}", kind.name())),
        };
        match &line {
            Ok(line) | Err(line) => println!("{line}"),
        }
        line
    });
    let missed: Vec<_> = noticed.iter().filter_map(|line| line.as_ref().err()).collect();
    println!("{} breaks on {} models, {} missed", Break::ALL.len(), noticed.len(), missed.len());
    assert!(missed.is_empty(), "{missed:#?}");
    counted.done(noticed.len() as u64, 100);
}

#[test]
fn the_same_cases_pass_when_nothing_is_broken() {
    for kind in Kind::ALL {
        let cases: BTreeSet<_> = all().iter().map(|(rule, _)| rule.noticed_by()).collect();
        let suite = kind.suite(kind.model());
        // What passes need not be waited for, so the limit may be generous.
        let suite = suite.watchdog(Duration::from_secs(120));
        let report = cases.into_iter().fold(suite, Suite::only).run();
        if let Err(table) = report.verdict() {
            panic!("{table}");
        }
    }
}

const PAGE: &str = "docs/conformance.md";
const BEGIN: &str =
    "<!-- breaks: written by RINGPIPE_BLESS=1 cargo test --test conformance_breaks -->\n";
const END: &str = "<!-- end of breaks -->";

fn page() -> (PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = fs::read_to_string(&path).expect("the page is there");
    (path, page)
}

fn table() -> String {
    let mut table = String::from("| what is broken | without a buffer | with one | noticed by |\n");
    table += "|---|---|---|---|\n";
    let mark = |has| if has { "x" } else { "" };
    for rule in Break::ALL {
        table += &format!(
            "| {} | {} | {} | `{}` |\n",
            rule.says(),
            mark(rule.breaks_rendezvous()),
            mark(rule.breaks_buffered()),
            rule.noticed_by()
        );
    }
    let tried = all().len();
    table + &format!("\n{} breaks, tried {tried} times.\n", Break::ALL.len())
}

#[test]
fn the_page_lists_every_break() {
    let (path, page) = page();
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (there, after) = rest.split_once(END).expect("the table has an end");
    let table = table();
    if std::env::var_os("RINGPIPE_BLESS").is_some() {
        fs::write(path, format!("{before}{BEGIN}{table}{END}{after}"))
            .expect("the page can be written");
    } else {
        assert_eq!(there, table, "run the test with RINGPIPE_BLESS=1 to write the table anew");
    }
}

#[test]
fn the_page_names_every_case_and_no_other() {
    let (_, page) = page();
    let cases: BTreeSet<_> =
        Suite::<ModelReader, ModelWriter>::cases().into_iter().map(|(id, _)| id).collect();
    let is_case = |word: &&str| word.contains('.') && !word.contains(['/', ' ', '(', ':']);
    let named: BTreeSet<_> = page.split('`').skip(1).step_by(2).filter(is_case).collect();
    assert_eq!(named, cases);
}

/// Long: the whole suite for each break, to see which other cases notice it.
#[test]
#[ignore = "takes minutes; scripts and curious people run it"]
fn the_whole_suite_fails_for_every_break() {
    let lines = for_each_break(4, |rule, kind| {
        let report =
            kind.suite(kind.model().broken(rule)).watchdog(Duration::from_secs(5)).jobs(16).run();
        let failed = report.failed();
        println!("{rule:?} ({}): {} cases: {}", kind.name(), failed.len(), failed.join(" "));
        failed.contains(&rule.noticed_by())
    });
    assert!(lines.iter().all(|noticed| *noticed));
}
