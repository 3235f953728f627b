//! The short selection of `scripts/conformance`: nothing of it that plain clang passes fails with us.

use anyhow::{Result, ensure};
use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::Arc;
use tests::conformance::platform::Platform;
use tests::conformance::{Context, Options, Suite, cache_folder, suites};
use tests::tools::Tools;

fn main() -> std::process::ExitCode {
    let mut arguments = Arguments::from_args();
    // A suite uses all CPUs by itself.
    arguments.test_threads = Some(1);
    let trials = match context() {
        Ok(context) => {
            let context = Arc::new(context);
            let suites = suites().into_iter().filter(|suite| suite.has_selection());
            suites.map(|suite| trial(suite, context.clone())).collect()
        }
        Err(error) => vec![Trial::test("conformance", move || Err(format!("{error:#}").into()))],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn context() -> Result<Context> {
    let options = Options {
        only: Vec::new(),
        levels: Vec::new(),
        filter: None,
        short: true,
        jobs: None,
        platform: Platform::X86_64,
        progress: false,
        resume: false,
    };
    Context::new(Tools::find()?, options, &cache_folder()?)
}

fn trial(suite: Box<dyn Suite + Send>, context: Arc<Context>) -> Trial {
    Trial::test(suite.name(), move || run(&*suite, &context).map_err(|e| Failed::from(format!("{e:#}"))))
}

fn run(suite: &dyn Suite, context: &Context) -> Result<()> {
    let findings = suite.run(context)?;
    ensure!(!findings.rows.is_empty(), "no test was run");
    let failures =
        findings.failures.iter().map(|f| format!("{} at {}, {}: {}\n", f.test, f.level, f.target, f.what));
    let wrong: String = failures.chain(findings.complaints.iter().map(|c| format!("{c}\n"))).collect();
    ensure!(findings.is_clean(), "{wrong}\n{}", tests::conformance::findings::table(&findings.rows));
    Ok(())
}
