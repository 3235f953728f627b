//! The driver: its phases in order.

use crate::args::{Invocation, PlainReason};
use crate::c_header;
use crate::cache;
use crate::check;
use crate::elf::Elf;
use crate::error::{Error, REPORT_IT, Result};
use crate::finish;
use crate::julia::{self, Attempt, room::Room};
use crate::lld::{self, Additions, Linked, Lld, Stage};
use crate::llvm::Llvm;
use crate::merge;
use crate::options;
use crate::packages::relink::{Relinked, relink};
use crate::packages::{self, Dependencies, Late, dedup_set, late, shared};
use crate::report::{Report, parse_report_section};
use crate::require;
use crate::response;
use crate::retarget;
use crate::scan::{self, Inputs};
use crate::separate::Separate;
use image_format::cpu::Arch;
use image_format::package_report;
use image_format::report::{Line, counted};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

/// Links as the command line says. `args` are without the program's name.
///
/// # Errors
/// Every reason why there is no output; lld's own failures are printed by lld and given back as its
/// exit code.
pub fn run(args: Vec<OsString>) -> anyhow::Result<ExitCode> {
    let invocation = Invocation::parse(response::expand(args)?)?;
    if invocation.own.help {
        show(options::HELP);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(command) = invocation.own.cache {
        show(&cache::run(command)?);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(old) = &invocation.own.relink {
        let Relinked { dependencies, imports, references } = relink(old, &invocation)?;
        if wants_summary(&invocation) {
            let (imports, references) = (counted(imports, "import"), counted(references, "reference"));
            eprintln!(
                "{}: {imports} and {references} were looked up again, in {}",
                invocation.output().display(),
                counted(dependencies, "rebuilt image")
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(output) = invocation.own.shared_image.clone() {
        return shared_image(&invocation, &output);
    }
    if let Some(form) = invocation.own.dedup_set {
        show(&dedup_set::run(&invocation, form)?);
        return Ok(ExitCode::SUCCESS);
    }
    link(&invocation)
}

/// Prints what somebody asked for. Who reads no more than the beginning, as head does, ends this.
fn show(text: &str) {
    sigpipe::reset();
    print!("{text}");
}

/// Links what several images share into an image of its own.
fn shared_image(invocation: &Invocation, output: &Path) -> anyhow::Result<ExitCode> {
    let plan = shared::plan(invocation, output)?;
    let result = link(&plan.invocation)?;
    if result == ExitCode::SUCCESS && wants_summary(invocation) {
        let (functions, left) = (counted(plan.functions, "function"), plan.left.len());
        eprintln!("{}: {functions} of several images; {left} stay where they are", output.display());
        plan.left.iter().for_each(|(function, why)| eprintln!("  {function}: {why}"));
    }
    Ok(result)
}

/// Links what the command line names.
fn link(invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let lld = Lld::find(Llvm::choose(invocation.own.llvm)?)?;
    packages::dependencies::check_kind(invocation)?;
    if let Some(reason) = invocation.plain_reason() {
        return plain(&lld, invocation, reason);
    }
    let separate = invocation.own.separately.then(|| Separate::new(invocation)).transpose()?;
    let result = link_objects(&lld, separate.as_ref().map_or(invocation, |separate| &separate.invocation));
    if let Some(separate) = separate.filter(|_| invocation.own.keep_temps) {
        eprintln!("jl-link: compiled bitcode is kept in {}", separate.keep().display());
    }
    result
}

/// Links what is no bitcode, or what lld is to make of it.
fn link_objects(lld: &Lld, invocation: &Invocation) -> anyhow::Result<ExitCode> {
    let inputs = scan::scan(invocation)?;
    if !inputs.has_clones() && !inputs.has_julia_shards() {
        packages::base::no_image(invocation)?;
        return Ok(without_clones(lld, invocation, &inputs, &[], &[])?);
    }
    let stage = Stage::beside(&invocation.output())?;
    let result = if inputs.has_clones() {
        image(lld, invocation, &inputs, &stage)
    } else {
        let room = first_room(&inputs, &invocation.output())?;
        julia_image(lld, invocation, &inputs, &stage, room)
    };
    if invocation.own.keep_temps {
        eprintln!("jl-link: temporary files are kept in {}", stage.keep().display());
    }
    Ok(result?)
}

/// The phases of a link that makes an image.
fn image(lld: &Lld, invocation: &Invocation, inputs: &Inputs, stage: &Stage) -> Result<ExitCode> {
    let output = invocation.output();
    let dependencies = Dependencies::open(invocation, inputs)?;
    let (late, linked) = match link_image(lld, invocation, inputs, stage, &dependencies)? {
        Ok(linked) => linked,
        Err(status) => return Ok(exit_code(status)),
    };
    let LinkedShards { path, members, merged: linked, room } = linked;
    let shards = linked.counts;
    let linked = linked.elf;
    packages::kept_data::check(inputs, &members, &linked)?;
    let lto_lines = parse_report_section(&linked);
    let c_header = c_header::text(&linked, invocation)?;
    let Some(mut merged) = merge::merge(linked, inputs, &members, &dependencies)? else {
        if shards.is_some() {
            return julia_image(lld, invocation, inputs, stage, room);
        }
        packages::base::no_image(invocation)?;
        // Nothing was worth a clone, or nothing that has clones was asked for: no shim then.
        return without_clones(lld, invocation, inputs, &lto_lines, &late.lines);
    };
    packages::base::mark(&mut merged.header, &merged.package, invocation)?;
    let retargeted = retarget::retarget(merged, invocation)?;
    let required = require::require(retargeted)?;
    let recent_below = dependencies.need_recent_glibc(inputs, &late.needed, invocation.own.no_relr);
    let finished = finish::finish(required, lto_lines, invocation, recent_below)?;
    let staged = stage.path("finished");
    write_like(&staged, &finished.elf.bytes, &path, &output)?;
    let read_back = std::fs::read(&staged).map_err(|cause| Error::Read { path: staged.clone(), cause })?;
    let read_back = Elf::parse(&output, read_back)?;
    check::check(&read_back, finished.header_address, &finished.used, inputs, &members)?;
    tell_shards(shards, invocation);
    if wants_report(invocation) {
        tell(&Report::new(&finished, inputs, &members, &late.lines, &output), invocation)?;
    }
    std::fs::rename(&staged, &output).map_err(|cause| Error::Write { path: output.clone(), cause })?;
    c_header::write(c_header, invocation)?;
    Ok(ExitCode::SUCCESS)
}

/// The phases of a link that makes an image from Julia, without records of ours.
fn julia_image(
    lld: &Lld,
    invocation: &Invocation,
    inputs: &Inputs,
    stage: &Stage,
    room: Option<Vec<u8>>,
) -> Result<ExitCode> {
    let output = invocation.output();
    let link = |room: Option<&[u8]>| lld.link_julia(invocation, stage, room);
    let (path, linked) = match link_shards(link, room, inputs, &output)? {
        Shards::Failed(status) => return Ok(exit_code(status)),
        Shards::Linked(LinkedShards { path, merged, .. }) => (path, merged),
    };
    if linked.counts.is_none() {
        return without_clones(lld, invocation, inputs, &[], &[]);
    }
    let c_header = c_header::text(&linked.elf, invocation)?;
    let finished = finish::finish_julia(&linked.elf, invocation)?;
    let staged = stage.path("finished");
    write_like(&staged, &finished.bytes, &path, &output)?;
    std::fs::rename(&staged, &output).map_err(|cause| Error::Write { path: output.clone(), cause })?;
    c_header::write(c_header, invocation)?;
    tell_shards(linked.counts, invocation);
    if wants_report(invocation) {
        tell(&Report::without_clones(inputs, &[], &[], &output), invocation)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What came of linking and of merging the shards of an image from Julia, if there are any.
enum Shards {
    Failed(ExitStatus),
    Linked(LinkedShards),
}

struct LinkedShards {
    path: PathBuf,
    members: Vec<String>,
    merged: Box<julia::Merged>,
    room: Option<Vec<u8>>,
}

/// Links with what stands for functions of dependencies; again without those of which the output shows that they must stay, and
/// with plain relocations where glibc would refuse packed ones.
fn link_image(
    lld: &Lld,
    invocation: &Invocation,
    inputs: &Inputs,
    stage: &Stage,
    dependencies: &Dependencies,
) -> Result<std::result::Result<(Late, LinkedShards), ExitStatus>> {
    let output = invocation.output();
    let (mut bound, mut unpacked) = (BTreeSet::new(), false);
    loop {
        let late = match late::plan(lld, invocation, inputs, stage, dependencies, &bound)? {
            late::Planned::Failed(status) => return Ok(Err(status)),
            late::Planned::Late(late) => late,
        };
        let link = |room: Option<&[u8]>| {
            lld.link(invocation, inputs, stage, Additions { room, dependencies, late: &late, unpacked })
        };
        let linked = match link_shards(link, first_room(inputs, &output)?, inputs, &output)? {
            Shards::Failed(status) => return Ok(Err(status)),
            Shards::Linked(linked) => linked,
        };
        let found = late.bound(&linked.merged.elf);
        let is_refused = lld::lacks_relr_version(&linked.merged.elf, invocation);
        if found.is_empty() && !is_refused {
            return Ok(Ok((late, linked)));
        }
        bound.extend(found);
        unpacked |= is_refused;
    }
}

/// The object with room for the tables that objects have; what LTO will make is not known yet.
fn first_room(inputs: &Inputs, output: &Path) -> Result<Option<Vec<u8>>> {
    inputs.julia_room().map(|(arch, room)| room_object(arch, room, output)).transpose()
}

/// Links with room for the tables of shards, and again if the output has more of them.
fn link_shards(
    link: impl Fn(Option<&[u8]>) -> Result<Linked>,
    mut room: Option<Vec<u8>>,
    inputs: &Inputs,
    output: &Path,
) -> Result<Shards> {
    for _ in 0..2 {
        let (path, bytes, members) = match link(room.as_deref())? {
            Linked::Failed(status) => return Ok(Shards::Failed(status)),
            Linked::Image { path, bytes, members } => (path, bytes, members),
        };
        let linked = Elf::parse(output, bytes)?;
        julia::state::check(&linked)?;
        let arch = linked.arch;
        match julia::merge(linked, inputs)? {
            Attempt::Done(merged) => {
                let merged = Box::new(merged);
                return Ok(Shards::Linked(LinkedShards { path, members, merged, room }));
            }
            Attempt::Needs(more) => room = Some(room_object(arch, more, output)?),
        }
    }
    Err(no_room(output, "too little for the second time".into()))
}

fn room_object(arch: Arch, room: Room, output: &Path) -> Result<Vec<u8>> {
    room.object(arch).map_err(|cause| no_room(output, cause.to_string()))
}

fn no_room(output: &Path, found: String) -> Error {
    let (what, expected) = ("room for the tables of Julia's shards".into(), "as much as they take".into());
    Error::Image { file: output.into(), what, found, expected, advice: REPORT_IT }
}

fn tell_shards(merged: Option<julia::Counts>, invocation: &Invocation) {
    if let Some(counts) = merged.filter(|_| wants_summary(invocation)) {
        let julia::Counts { shards, functions, data, targets } = counts;
        let output = invocation.output();
        eprintln!(
            "{}: {shards} Julia shards merged to one: {functions} functions and {data} data for {targets} targets",
            output.display()
        );
    }
}

/// Writes with the permissions that lld gave its file. `output` is what messages name.
fn write_like(path: &Path, bytes: &[u8], model: &Path, output: &Path) -> Result<()> {
    let write = || {
        std::fs::write(path, bytes)?;
        std::fs::set_permissions(path, std::fs::metadata(model)?.permissions())
    };
    write().map_err(|cause| Error::Write { path: output.into(), cause })
}

/// A link as lld does it, of inputs that could have had clones: the report says why they have none.
fn without_clones(
    lld: &Lld,
    invocation: &Invocation,
    inputs: &Inputs,
    lto_lines: &[Line],
    late: &[package_report::Line],
) -> Result<ExitCode> {
    let status = lld.run_plain(invocation)?;
    if status.success() && invocation.own.header.is_some() {
        let output = invocation.output();
        let bytes = std::fs::read(&output).map_err(|cause| Error::Read { path: output.clone(), cause })?;
        c_header::write(c_header::text(&Elf::parse(&output, bytes)?, invocation)?, invocation)?;
    }
    if status.success() && wants_report(invocation) {
        tell(&Report::without_clones(inputs, lto_lines, late, &invocation.output()), invocation)?;
    }
    Ok(exit_code(status))
}

fn wants_summary(invocation: &Invocation) -> bool {
    invocation.own.summary || std::env::var_os("JL_LINK_SUMMARY").is_some_and(|v| v == "1")
}

fn wants_report(invocation: &Invocation) -> bool {
    invocation.own.report.is_some() || wants_summary(invocation)
}

fn tell(report: &Report, invocation: &Invocation) -> Result<()> {
    if let Some(path) = &invocation.own.report {
        report.write(path)?;
    }
    if wants_summary(invocation) {
        eprint!("{}", report.summary());
    }
    Ok(())
}

fn plain(lld: &Lld, invocation: &Invocation, reason: PlainReason) -> anyhow::Result<ExitCode> {
    let status = lld.run_plain(invocation)?;
    let asked =
        |option: &str| reason == PlainReason::Information && invocation.plain.iter().any(|a| a == option);
    // Build systems ask who the linker is and look for words of GNU's or LLVM's answer: lld's came first.
    if status.success() && asked("--help") {
        print!("\n{}", options::HELP);
    } else if status.success() && (asked("--version") || asked("-v")) {
        println!("jl-link {} (Julienne)", env!("CARGO_PKG_VERSION"));
    }
    Ok(exit_code(status))
}

/// lld's exit code; 128 + signal as shells say it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
