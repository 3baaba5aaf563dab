//! The cases: what is cut, what must happen meanwhile, and that all comes together again once it is healed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rialto_replicator::key::ClusterKey;
use rialto_replicator::link::{Question, Reply, ask};
use rialto_replicator::secure::Credentials;
use serde_json::Value;

use crate::Rounds;
use crate::checker::{Finding, check};
use crate::facts::{Facts, Record, now_ns};
use crate::member::{Load, Member};
use crate::network::{Network, PLANES, Plane};
use crate::node::until;
use crate::random::Random;
use crate::site::{CLIENTS, NODES, Site};

/// Rounds of a case in CI, and of that of the vanished host.
const ROUNDS: (usize, usize) = (1, 1);
const VANISHED_ROUNDS: (usize, usize) = (3, 3);
/// Answers that members hear before a cut and after a change.
const SOME: u64 = 200;
/// Longest time without an answer for whoever knows all nodes.
const VANISHED_MAX: Duration = Duration::from_secs(5);
/// The same where the primary stays, and a standby leaves the in-sync set.
const SHRINKS_MAX: Duration = Duration::from_secs(3);
/// For whatever must not happen to happen.
const MEANWHILE: Duration = Duration::from_secs(3);

/// How long a node may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

const MEMBERS: [&str; 4] = ["ALPHA1", "ALPHA2", "BETA1", "BETA2"];

/// What a case sees while members trade.
struct Scene<'a> {
    site: &'a Site,
    load: &'a Load,
    /// Whoever leads as the round begins.
    primary: usize,
}

impl Scene<'_> {
    /// Waits until members have heard so many more answers.
    fn hear(&self, count: u64) {
        let goal = self.load.answers.load(Ordering::Relaxed) + count;
        until("answers", || (self.load.answers.load(Ordering::Relaxed) >= goal).then_some(()));
    }

    /// Waits until another node leads, and members trade there.
    fn is_replaced(&self) {
        let epoch = self.epoch(self.primary);
        let primary = until("another to lead", || {
            let others = (0..NODES).filter(|node| *node != self.primary);
            others.into_iter().find(|node| {
                self.site
                    .row(*node)
                    .is_some_and(|row| row["role"] == "primary" && row["epoch"].as_u64() > epoch)
            })
        });
        assert_ne!(primary, self.primary);
        self.hear(SOME);
    }

    fn epoch(&self, node: usize) -> Option<u64> {
        self.site.row(node)?["epoch"].as_u64()
    }

    /// Members trade on with whoever led before, for a while.
    fn goes_on(&self) {
        let epoch = self.epoch(self.primary);
        self.hear(SOME);
        let until = Instant::now() + MEANWHILE;
        while Instant::now() < until {
            let leads: Vec<usize> = (0..NODES)
                .filter(|node| self.site.row(*node).is_some_and(|row| row["role"] == "primary"))
                .collect();
            assert_eq!(leads, [self.primary], "nobody else leads");
            thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.epoch(self.primary), epoch);
        self.hear(SOME);
    }
}

/// Ends what other threads do, also if this one fails.
struct Ends<'a>(&'a Load, &'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.ends.store(true, Ordering::Relaxed);
        self.1.store(true, Ordering::Relaxed);
    }
}

/// Members trade, and in each round `act` cuts something and sees what happens; then all is healed and comes together.
/// The longest time without an answer in each round, and all that is known at the end.
fn play(policy: &str, seed: u64, rounds: usize, act: impl Fn(&Scene<'_>)) -> (Vec<Duration>, Facts) {
    let site = Site::start(policy);
    let mut random = Random::new(seed);
    let mut members = MEMBERS.map(|name| Member::new(name, site.cluster.addresses(), random.fork()));
    let (load, is_over) = (Load::default(), AtomicBool::new(false));
    let (mut facts, mut spans) = (Facts::default(), Vec::new());
    thread::scope(|scope| {
        let ends = Ends(&load, &is_over);
        let watched = scope.spawn(|| site.watch(&is_over));
        for member in &mut members {
            let (network, load) = (&site.network, &load);
            scope.spawn(move || {
                network.enter(CLIENTS);
                member.trade(load);
            });
        }
        for _ in 0..rounds {
            let scene = Scene { site: &site, load: &load, primary: site.wait_in_sync() };
            scene.hear(SOME);
            let began = now_ns();
            act(&scene);
            spans.push((began, now_ns()));
            site.network.heal();
            facts.healed_ns.push(now_ns());
            site.wait_in_sync();
            facts.converged_ns.push(now_ns());
            scene.hear(SOME);
        }
        drop(ends);
        facts.looks = watched.join().expect("it only looks");
    });
    for member in &mut members {
        site.network.on(CLIENTS, || member.settle(&load));
    }
    facts.members = members.into_iter().map(|member| member.record).collect();
    facts.journals = site.journals();
    let gaps = spans.iter().map(|span| longest_gap(&facts, *span)).collect();
    (gaps, facts)
}

/// The longest time in a span that one member was without an answer; the longest of all members.
fn longest_gap(facts: &Facts, (from, to): (u64, u64)) -> Duration {
    let of = |member: &Record| {
        let answers = member.heard.iter().filter(|heard| heard.answers.is_some());
        let mut times: Vec<u64> = answers.map(|heard| heard.at_ns).collect();
        times.dedup();
        let pairs = times.windows(2).filter(|pair| pair[1] >= from && pair[0] <= to);
        pairs.map(|pair| pair[1] - pair[0]).max().unwrap_or(0)
    };
    Duration::from_nanos(facts.members.iter().map(of).max().unwrap_or(0))
}

fn print_gaps(mut gaps: Vec<Duration>) {
    gaps.sort_unstable();
    let (min, median, max) = (gaps[0], gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    println!("  without an answer: min {min:?}, median {median:?}, max {max:?} of {} rounds", gaps.len());
}

fn print_size(facts: &Facts) {
    let heard: usize = facts.members.iter().map(|member| member.heard.len()).sum();
    let (commands, epochs) = (facts.journals[0].lines.len(), facts.journals[0].epochs.len());
    println!("  {heard} messages heard, {commands} commands, {epochs} epochs, {} looks", facts.looks.len());
}

/// Plays some rounds and checks; the gaps.
fn run(policy: &str, rounds: &Rounds, act: impl Fn(&Scene<'_>)) -> Vec<Duration> {
    run_rounds(policy, (rounds.seed, rounds.count_or(ROUNDS)), act)
}

fn run_rounds(policy: &str, (seed, rounds): (u64, usize), act: impl Fn(&Scene<'_>)) -> Vec<Duration> {
    let (gaps, facts) = play(policy, seed, rounds, act);
    print_gaps(gaps.clone());
    print_size(&facts);
    let findings = check(&facts);
    assert!(findings.is_empty(), "{}", words(&findings));
    gaps
}

/// The first findings in words.
fn words(findings: &[Finding]) -> String {
    let first: Vec<String> = findings.iter().take(12).map(ToString::to_string).collect();
    format!("{} findings:\n{}", findings.len(), first.join("\n"))
}

pub(crate) fn a_cut_is_what_it_says(_: &Rounds) {
    let network = Network::new(3);
    let arrive = |lost: &dyn Fn(usize, usize, Plane) -> bool| {
        for (from, to) in [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)] {
            for plane in PLANES {
                let expected = !lost(from, to, plane);
                let found = network.arrives(from, to, plane, expected);
                assert_eq!(found, expected, "from {from} to {to}, {plane:?}");
            }
        }
    };
    arrive(&|_, _, _| false);
    network.cut(0, 1, Plane::Etcd);
    arrive(&|from, to, plane| (from, to, plane) == (0, 1, Plane::Etcd));
    network.cut(2, 0, Plane::Nodes);
    arrive(&|from, to, plane| [(0, 1, Plane::Etcd), (2, 0, Plane::Nodes)].contains(&(from, to, plane)));
    network.heal();
    arrive(&|_, _, _| false);
    network.unplug(1);
    arrive(&|from, to, _| from == 1 || to == 1);
    network.heal();
    arrive(&|_, _, _| false);
}

pub(crate) fn full(rounds: &Rounds) {
    run("disk+ram", rounds, |scene| {
        scene.site.cut_from(scene.primary);
        scene.site.cut_to(scene.primary);
        scene.is_replaced();
    });
}

pub(crate) fn full_under_ram(rounds: &Rounds) {
    run("ram", rounds, |scene| {
        scene.site.cut_from(scene.primary);
        scene.site.cut_to(scene.primary);
        scene.is_replaced();
    });
}

pub(crate) fn unheard(rounds: &Rounds) {
    run("disk+ram", rounds, |scene| {
        scene.site.cut_from(scene.primary);
        scene.is_replaced();
    });
}

pub(crate) fn deaf(rounds: &Rounds) {
    run("disk+ram", rounds, |scene| {
        scene.site.cut_to(scene.primary);
        scene.is_replaced();
    });
}

pub(crate) fn without_etcd(rounds: &Rounds) {
    run("disk+ram", rounds, |scene| {
        scene.site.cut_etcd(scene.primary);
        scene.is_replaced();
    });
}

pub(crate) fn without_standbys(rounds: &Rounds) {
    let gaps = run("disk+ram", rounds, |scene| {
        scene.site.cut_nodes(scene.primary);
        scene.goes_on();
    });
    assert!(gaps.iter().all(|gap| *gap < SHRINKS_MAX), "{gaps:?}");
}

pub(crate) fn vanished(rounds: &Rounds) {
    let gaps = run_rounds("disk+ram", (rounds.seed, rounds.count_or(VANISHED_ROUNDS)), |scene| {
        let with_leader = scene.site.etcd_leader() == Some(scene.primary);
        println!(
            "  the primary's host vanishes, {} etcd's leader",
            if with_leader { "with" } else { "without" }
        );
        scene.site.network.unplug(scene.primary);
        scene.is_replaced();
    });
    assert!(gaps.iter().all(|gap| *gap < VANISHED_MAX), "{gaps:?}");
}

pub(crate) fn standby(rounds: &Rounds) {
    let gaps = run("disk+ram", rounds, |scene| {
        let standby = (scene.primary + 1) % NODES;
        scene.site.cut_from(standby);
        scene.site.cut_to(standby);
        scene.goes_on();
    });
    assert!(gaps.iter().all(|gap| *gap < SHRINKS_MAX), "{gaps:?}");
}

/// A standby has promised an epoch that nobody opens. The primary hears of it, and all go on in a higher one.
pub(crate) fn promised(rounds: &Rounds) {
    const PROMISED: u32 = 9;
    let (_, facts) = play("disk+ram", rounds.seed, 1, |scene| {
        let cluster = &scene.site.cluster;
        let place = &cluster.places[(scene.primary + 1) % NODES];
        let key = ClusterKey::load(&cluster.key()).unwrap();
        let row = scene.site.row(scene.primary).unwrap();
        assert!(row["epoch"].as_u64() < Some(PROMISED.into()), "{row}");
        let credentials = Credentials { key, cluster: scene.site.home.cluster.as_str().into() };
        let address = place.replication.parse().unwrap();
        let question = Question::Promise { epoch: PROMISED };
        let reply = scene.site.network.on(CLIENTS, || ask(address, &credentials, &question, ANSWER).unwrap());
        let Reply::Promise(promise) = reply else { panic!("{reply:?}") };
        assert_eq!(promise.made, Ok(()), "{promise:?}");
        until("a higher epoch", || {
            let mut rows = (0..NODES).filter_map(|node| scene.site.row(node));
            let leads =
                |row: Value| row["role"] == "primary" && row["epoch"].as_u64() > Some(PROMISED.into());
            rows.any(leads).then_some(())
        });
        scene.hear(SOME);
    });
    print_size(&facts);
    let findings = check(&facts);
    assert!(findings.is_empty(), "{}", words(&findings));
}

/// Under `async` nobody waits for a standby. One that was cut off is made the primary by force: what was acknowledged
/// since is lost, and the checker has to say so.
pub(crate) fn forced(rounds: &Rounds) {
    let (_, facts) = play("async", rounds.seed, 1, |scene| {
        let (site, behind) = (scene.site, (scene.primary + 1) % NODES);
        site.cut_nodes(behind);
        scene.hear(SOME);
        site.network.unplug(scene.primary);
        until("the forced promotion", || {
            let name = &site.cluster.places[behind].name;
            let flags = ["--force", "--accept-loss"];
            let (code, done) = site.network.on(CLIENTS, || site.cluster.promote(name, &flags));
            assert!(code == Some(0) || done["promoted"].is_null(), "{done}");
            (code == Some(0)).then_some(())
        });
        scene.is_replaced();
    });
    print_size(&facts);
    let findings = check(&facts);
    let lost = findings.iter().filter(|finding| finding.invariant == "I3").count();
    println!("  {lost} acknowledged answers are lost, {}", words(&findings).replace('\n', "\n  "));
    assert!(lost > 0, "the checker found nothing lost");
}
