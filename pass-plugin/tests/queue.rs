//! The queue: order, bounds, failures.

mod support;

use jl_pass_plugin::emit::jobserver::Jobserver;
use jl_pass_plugin::emit::place::{Place, Stage};
use jl_pass_plugin::emit::progress::Progress;
use jl_pass_plugin::emit::queue::{Cause, Failure, Job, Resources, Task, run};
use jl_pass_plugin::emit::schedule::Schedule;
use jl_pass_plugin::emit::timings::Recorder;
use jl_pass_plugin::partition::plan::ShardId;
use proptest::prelude::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use support::{Gauge, Meeting, jobs};

fn resources(threads: usize, memory: u64) -> Resources {
    Resources { threads, memory, jobserver: Jobserver::None }
}

fn run_quietly<T: Send, E: Send>(
    jobs: &[Job],
    resources: Resources,
    work: impl Fn(usize, &Task) -> Result<T, E> + Sync,
) -> Result<Vec<T>, Failure<E>> {
    let warn = |text: &str| panic!("no warning expected, found: {text}");
    run(jobs, resources, &Recorder::new(), &mut Progress::none(), &warn, work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn results_are_in_the_order_of_the_jobs_and_memory_is_bounded(
        list in prop::collection::vec((0u64..5, 0u64..50), 0..40),
        threads in 1usize..9,
        budget in 0u64..120,
    ) {
        let jobs = jobs(&list);
        let (bytes, running) = (Gauge::default(), Gauge::default());
        let alone_or_bounded = AtomicUsize::new(0);
        let results = run_quietly(&jobs, resources(threads, budget), |job, _| {
            running.within(1, || bytes.within(jobs[job].memory, || {
                let (count, sum) = (running.now.load(SeqCst), bytes.now.load(SeqCst));
                // The count is raised before the sum and lowered after it.
                alone_or_bounded.fetch_add(usize::from(count > 1 && sum > budget), SeqCst);
                std::thread::yield_now();
            }));
            Ok::<usize, String>(job * 10)
        }).unwrap();
        prop_assert_eq!(results, (0..jobs.len()).map(|j| j * 10).collect::<Vec<_>>());
        prop_assert!(running.most() <= threads as u64);
        let largest = list.iter().map(|j| j.1).max().unwrap_or(0);
        prop_assert!(bytes.most() <= budget.max(largest), "{} of {budget}", bytes.most());
        prop_assert_eq!(alone_or_bounded.load(SeqCst), 0);
    }

    #[test]
    fn a_schedule_loses_nothing_and_lets_nobody_wait_for_ever(
        list in prop::collection::vec((0u64..9, 0u64..100), 1..60),
        threads in 1usize..6,
        budget in 0u64..150,
        ends in prop::collection::vec(0usize..8, 200),
    ) {
        let jobs = jobs(&list);
        let mut schedule = Schedule::new(&jobs, budget, threads);
        let (mut running, mut started) = (Vec::<usize>::new(), Vec::new());
        let mut overtaken = 0;
        for end in ends {
            while running.len() < threads && schedule.can_start() {
                let first = (0..jobs.len()).filter(|j| !started.contains(j)).max_by_key(|j| (jobs[*j].weight, usize::MAX - j));
                let job = schedule.start().unwrap();
                overtaken = if Some(job) == first { 0 } else { overtaken + 1 };
                prop_assert!(overtaken <= threads);
                running.push(job);
                started.push(job);
                let sum: u64 = running.iter().map(|j| jobs[*j].memory).sum();
                prop_assert!(sum <= budget || running.len() == 1);
                prop_assert_eq!(sum, schedule.in_flight());
            }
            if running.is_empty() {
                break;
            }
            schedule.finish(running.remove(end % running.len()));
        }
        prop_assert!(schedule.is_over());
        started.sort_unstable();
        prop_assert_eq!(started, (0..jobs.len()).collect::<Vec<_>>());
    }
}

#[test]
fn the_heaviest_job_starts_first() {
    let jobs = jobs(&[(1, 0), (7, 0), (3, 0), (7, 0)]);
    let order = Mutex::new(Vec::new());
    let work = |job, _: &Task| {
        order.lock().unwrap().push(job);
        Ok::<(), String>(())
    };
    run_quietly(&jobs, resources(1, 0), work).unwrap();
    assert_eq!(*order.lock().unwrap(), [1, 3, 2, 0]);
}

#[test]
fn a_job_that_needs_more_than_there_is_runs_alone() {
    let jobs = jobs(&[(1, u64::MAX), (1, u64::MAX), (1, 5)]);
    let running = Gauge::default();
    run_quietly(&jobs, resources(3, 10), |_, _| running.within(1, || Ok::<(), String>(()))).unwrap();
    assert_eq!(running.most(), 1);
}

#[test]
fn as_many_threads_work_as_are_asked_for() {
    let meeting = Meeting::default();
    let work = |_, _: &Task| {
        meeting.come();
        meeting.wait(4);
        Ok::<(), String>(())
    };
    run_quietly(&jobs(&[(1, 1); 4]), resources(4, 4), work).unwrap();
}

#[test]
fn a_failure_names_the_job_and_nothing_starts_after_it() {
    let jobs = jobs(&[(5, 0), (4, 0), (3, 0), (2, 0), (1, 0)]);
    let begun = AtomicUsize::new(0);
    let both = Meeting::default();
    let failure = run_quietly(&jobs, resources(2, 0), |job, task| {
        begun.fetch_add(1, SeqCst);
        both.come();
        both.wait(2);
        task.function("sum");
        task.stage(Stage::Optimise, || ());
        // Both fail; whichever does so first, the first of the list is named.
        Err::<(), _>(format!("no registers left in job {job}"))
    })
    .unwrap_err();
    assert_eq!(begun.load(SeqCst), 2);
    assert_eq!(
        failure.to_string(),
        "shard 0, part x86-64, function sum (stage optimise): no registers left in job 0"
    );
}

#[test]
fn a_panic_is_a_failure_and_all_threads_are_joined() {
    let jobs = jobs(&[(9, 0), (8, 0), (1, 0)]);
    let (both, inside) = (Meeting::default(), Gauge::default());
    let failure = run_quietly(&jobs, resources(2, 0), |job, task| {
        both.come();
        both.wait(2);
        if job == 0 {
            task.stage(Stage::Emit, || panic!("job {job} cannot go on"));
        }
        inside.within(1, || std::thread::sleep(Duration::from_millis(50)));
        Ok::<usize, String>(job)
    })
    .unwrap_err();
    // What ran beside it has come to its end.
    assert_eq!((inside.now.load(SeqCst), inside.most()), (0, 1));
    assert_eq!(failure.cause, Cause::Panic("job 0 cannot go on".into()));
    assert_eq!((failure.place, failure.stage), (Place::part(ShardId(0), "x86-64"), Some(Stage::Emit)));
}

#[test]
fn a_job_has_a_deep_stack() {
    fn descend(levels: usize) -> u64 {
        let frame = std::hint::black_box([levels as u8; 1 << 16]);
        let below = if levels == 0 { 0 } else { descend(levels - 1) };
        below + u64::from(std::hint::black_box(&frame)[levels])
    }
    // 700 times 64 KiB: 44 MiB of the 64.
    let deep =
        run_quietly(&jobs(&[(1, 1)]), resources(1, 1), |_, _| Ok::<u64, String>(descend(700))).unwrap();
    assert_eq!(deep, [(0..=700).map(|l| u64::from(l as u8)).sum::<u64>()]);
}

#[test]
fn no_jobs_no_results() {
    let results = run_quietly(&[], resources(4, 0), |_, _| Ok::<u8, String>(1)).unwrap();
    assert!(results.is_empty());
}
