//! Which placements this machine has: pairs of CPUs by what they share, as sysfs tells it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    pin::{self, Placement},
    report::record::Place,
};

/// A placement as it is asked for: which CPUs it means depends on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Name {
    /// Each side on a core of its own.
    TwoCpus,
    /// Both on one CPU.
    OneCpu,
    /// Wherever the scheduler puts them.
    Unpinned,
    /// On the two threads of one core.
    SmtSibling,
    /// On two cores that share their last cache.
    SameCache,
    /// On two memory nodes.
    OtherNode,
}

impl Name {
    pub(crate) const ALL: [Self; 6] = [
        Self::TwoCpus,
        Self::OneCpu,
        Self::Unpinned,
        Self::SmtSibling,
        Self::SameCache,
        Self::OtherNode,
    ];

    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::TwoCpus => "two-cpus",
            Self::OneCpu => "one-cpu",
            Self::Unpinned => "unpinned",
            Self::SmtSibling => "smt-sibling",
            Self::SameCache => "same-cache",
            Self::OtherNode => "other-node",
        }
    }
}

/// The CPUs that may be used, and where the system describes them.
#[derive(Debug)]
pub(crate) struct Machine {
    sysfs: PathBuf,
    allowed: Vec<usize>,
}

impl Machine {
    pub(crate) fn new(allowed: &[usize]) -> Self {
        Self { sysfs: PathBuf::from("/sys/devices/system"), allowed: allowed.to_vec() }
    }

    /// The placement called `name`, given the one that the run has chosen; or why this machine has none.
    fn find(&self, name: Name, main: Placement) -> Result<Placement, String> {
        let (first, second) = main.cpus().unwrap_or_else(|| {
            let first = self.allowed.first().copied().unwrap_or(0);
            (first, self.allowed.get(1).copied().unwrap_or(first))
        });
        let partner = |share: &[usize], but: &[usize]| {
            share.iter().copied().find(|cpu| self.allowed.contains(cpu) && !but.contains(cpu))
        };
        let siblings = self.siblings(first);
        match name {
            _ if main.tag() == name.tag() => Ok(main),
            Name::OneCpu => Ok(Placement::OneCpu { cpu: first }),
            Name::TwoCpus | Name::Unpinned if self.allowed.len() < 2 => {
                Err("only one CPU may be used".to_owned())
            }
            Name::TwoCpus if first == second => Err("both sides were put on one CPU".to_owned()),
            Name::TwoCpus => Ok(Placement::TwoCpus { initiator: first, responder: second }),
            Name::Unpinned => Ok(Placement::Unpinned),
            Name::SmtSibling => match partner(&siblings, &[first]) {
                Some(responder) => Ok(Placement::SmtSibling { initiator: first, responder }),
                None => Err(format!("no other thread of the core of CPU {first} may be used")),
            },
            Name::SameCache => {
                let share = self.last_cache(first);
                if first != second && share.contains(&second) && !siblings.contains(&second) {
                    return Err(format!("two-cpus is such a pair: CPU {first} and {second}"));
                }
                match partner(&share, &siblings) {
                    Some(responder) => Ok(Placement::SameCache { initiator: first, responder }),
                    None => Err(format!("no other core shares the last cache of CPU {first}")),
                }
            }
            Name::OtherNode => {
                let here = self.node(first);
                let elsewhere: Vec<usize> =
                    self.allowed.iter().copied().filter(|cpu| !here.contains(cpu)).collect();
                match partner(&elsewhere, &[first]).filter(|_| !here.is_empty()) {
                    Some(responder) => Ok(Placement::OtherNode { initiator: first, responder }),
                    None => Err("the CPUs that may be used are of one memory node".to_owned()),
                }
            }
        }
    }

    /// All placements of a run: those of `wanted` that the machine has, the main one first; then the others, with the
    /// reason. Nothing wanted is the main one.
    pub(crate) fn places(&self, main: Placement, wanted: &[Name]) -> Vec<Place> {
        let mut places: Vec<Place> = Name::ALL
            .into_iter()
            .map(|name| {
                let (placement, what) = match self.find(name, main) {
                    Ok(placement)
                        if wanted.contains(&name) || wanted.is_empty() && placement == main =>
                    {
                        (Some(placement), say(placement))
                    }
                    Ok(_) => (None, format!("not asked for; --placement {}", name.tag())),
                    Err(reason) => (None, reason),
                };
                Place { tag: name.tag().to_owned(), placement, what }
            })
            .collect();
        places.sort_by_key(|place| (place.placement != Some(main), place.placement.is_none()));
        places
    }

    fn list(&self, path: impl AsRef<Path>) -> Vec<usize> {
        fs::read_to_string(self.sysfs.join(path)).map_or_else(|_| vec![], |t| pin::parse_list(&t))
    }

    /// The CPUs of the core of `cpu`; just itself where the system does not say.
    pub(crate) fn siblings(&self, cpu: usize) -> Vec<usize> {
        let listed = self.list(format!("cpu/cpu{cpu}/topology/thread_siblings_list"));
        if listed.is_empty() { vec![cpu] } else { listed }
    }

    /// The CPUs that share the last cache of `cpu`.
    fn last_cache(&self, cpu: usize) -> Vec<usize> {
        let cache = |index| self.list(format!("cpu/cpu{cpu}/cache/index{index}/shared_cpu_list"));
        (0..8).map(cache).rfind(|list| !list.is_empty()).unwrap_or_default()
    }

    /// The CPUs of the memory node of `cpu`.
    fn node(&self, cpu: usize) -> Vec<usize> {
        let nodes = self.list("node/online").into_iter();
        nodes
            .map(|node| self.list(format!("node/node{node}/cpulist")))
            .find(|list| list.contains(&cpu))
            .unwrap_or_default()
    }

    /// The first two CPUs that may be used and are of different cores; of one core if there is no other.
    pub(crate) fn choose(&self) -> Option<Placement> {
        let first = *self.allowed.first()?;
        let siblings = self.siblings(first);
        let other = self.allowed.iter().copied().find(|cpu| !siblings.contains(cpu));
        Some(pin::two(first, other.or(self.allowed.get(1).copied()).unwrap_or(first)))
    }
}

/// A placement as a sentence says it.
pub(crate) fn say(placement: Placement) -> String {
    match (placement, placement.cpus()) {
        (_, None) => "not pinned".to_owned(),
        (Placement::OneCpu { cpu }, _) => format!("both sides pinned to CPU {cpu}"),
        (_, Some((initiator, responder))) => {
            format!("initiator pinned to CPU {initiator}, responder to CPU {responder}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Eight CPUs: cores of two threads (0 and 4, 1 and 5, ...), caches of two cores, one node for each cache.
    fn machine(folder: &Path, allowed: &[usize]) -> Machine {
        let write = |path: String, text: &str| {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for cpu in 0..8 {
            let (core, cache) = (cpu % 4, cpu % 4 / 2);
            let siblings = format!("{core},{}\n", core + 4);
            let caches = ["0-1,4-5", "2-3,6-7"];
            write(format!("cpu/cpu{cpu}/topology/thread_siblings_list"), &siblings);
            write(format!("cpu/cpu{cpu}/cache/index0/shared_cpu_list"), &siblings);
            write(format!("cpu/cpu{cpu}/cache/index1/shared_cpu_list"), caches[cache]);
            write(format!("node/node{cache}/cpulist"), caches[cache]);
        }
        write("node/online".to_owned(), "0-1\n");
        Machine { sysfs: folder.to_owned(), allowed: allowed.to_vec() }
    }

    #[test]
    fn every_kind_of_pair_is_found_where_the_machine_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path(), &[0, 1, 2, 3, 4, 5, 6, 7]);
        let main = Placement::TwoCpus { initiator: 0, responder: 2 };
        let cases = [
            (Name::TwoCpus, main),
            (Name::OneCpu, Placement::OneCpu { cpu: 0 }),
            (Name::Unpinned, Placement::Unpinned),
            (Name::SmtSibling, Placement::SmtSibling { initiator: 0, responder: 4 }),
            (Name::SameCache, Placement::SameCache { initiator: 0, responder: 1 }),
            (Name::OtherNode, Placement::OtherNode { initiator: 0, responder: 2 }),
        ];
        assert_eq!(cases.len(), Name::ALL.len());
        for (name, placement) in cases {
            assert_eq!(machine.find(name, main), Ok(placement));
            assert_eq!(placement.tag(), name.tag());
        }
        let choice = machine.choose().unwrap();
        assert_eq!(choice, Placement::TwoCpus { initiator: 0, responder: 1 });
        assert!(machine.find(Name::SameCache, choice).unwrap_err().contains("two-cpus"));
    }

    #[test]
    fn what_the_machine_does_not_have_is_listed_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path(), &[3]);
        let main = machine.choose().unwrap();
        assert_eq!(main, Placement::OneCpu { cpu: 3 });
        let places = machine.places(main, &Name::ALL);
        assert_eq!(places.len(), 6);
        assert_eq!(places[0].placement, Some(main));
        assert!(places[1..].iter().all(|place| place.placement.is_none()), "{places:?}");
        let reason = |tag: &str| &places.iter().find(|place| place.tag == tag).unwrap().what;
        assert!(reason("two-cpus").contains("only one CPU"));
        assert!(reason("smt-sibling").contains("no other thread"));
        assert!(reason("same-cache").contains("no other core"));
        assert!(reason("other-node").contains("one memory node"));
    }

    #[test]
    fn a_place_that_nobody_asked_for_says_how_to_ask() {
        let folder = tempfile::tempdir().unwrap();
        let machine = machine(folder.path(), &[0, 1]);
        let places = machine.places(machine.choose().unwrap(), &[Name::TwoCpus]);
        let one = places.iter().find(|place| place.tag == "one-cpu").unwrap();
        assert_eq!(one.placement, None);
        assert!(one.what.contains("--placement one-cpu"), "{one:?}");
    }

    #[test]
    fn a_system_that_tells_nothing_has_two_cpus_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let machine = Machine { sysfs: folder.path().to_owned(), allowed: vec![0, 1] };
        let main = machine.choose().unwrap();
        assert_eq!(main, Placement::TwoCpus { initiator: 0, responder: 1 });
        assert!(machine.find(Name::OtherNode, main).is_err());
    }
}
