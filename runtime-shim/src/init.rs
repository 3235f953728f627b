//! The phases of a load: settings, CPU, choice, fill, imports; and what to do when nothing may run.

use crate::arguments::Arguments;
use crate::cells::{ImportSlots, ReferenceCells};
use crate::decide::{Refusal, decide};
use crate::environ::{Log, Scanner, Settings, Variables, is_secure};
use crate::imports::{self, Cells, Fault, Surroundings};
use crate::memory::{Image, Opened, Pages};
use crate::message::Subject;
use crate::objects::{Entry, Object, Objects};
use crate::process::Process;
use crate::sys::{self, File};
use crate::text::Line;
use crate::{maps, message, probe_arch};
use image_format::feature::FeatureSet;
use image_format::layout::{Dependency, image_state};
use image_format::package::Package;
use image_format::specs::Specs;

/// Chooses for a merged image that nobody has filled yet, and fills it. Where its pages cannot be opened the
/// baseline stays.
pub fn fill(
    image: &Image,
    process: &Process,
    arguments: Option<Arguments>,
    pages: Option<Pages>,
) -> Result<(), Refusal> {
    choose(image, process, arguments, pages)?.as_ref().map(Choice::log);
    Ok(())
}

/// What was chosen for an image, where there was something to choose from.
struct Choice<'a> {
    image: &'a Image,
    specs: Specs<'a>,
    target: usize,
    settings: Settings,
}

impl Choice<'_> {
    /// One line, if the user asked for it.
    #[inline(never)]
    fn log(&self) {
        if self.settings.log != Log::Off {
            log_choice(&self.specs, self.target, &self.settings, self.image.state() as usize);
        }
    }
}

/// As [`fill`], but for the line in the log; none where the baseline stays.
fn choose<'a>(
    image: &'a Image,
    process: &Process,
    arguments: Option<Arguments>,
    pages: Option<Pages>,
) -> Result<Option<Choice<'a>>, Refusal> {
    if image.header().specs.count == 0 && image.header().slots.count == 0 {
        // Nothing to choose from.
        fill_row(image, 0, pages);
        return Ok(None);
    }
    let settings = settings(process, arguments);
    let specs = image.specs().ok_or(Refusal::Damaged("target list"))?;
    let target = decide(&specs, &settings, |wanted| host(process, arguments, wanted))?;
    let row = image.table().ok_or(Refusal::Damaged("image table"))?.row_for(target);
    let row = row.ok_or(Refusal::Damaged("row list"))?;
    let is_filled = fill_row(image, row, pages);
    if !is_filled && matches!(pages, Some(Pages::Open(_))) {
        return Err(Refusal::Damaged("image table"));
    }
    Ok(is_filled.then_some(Choice { image, specs, target, settings }))
}

/// Whether the row now runs.
fn fill_row(image: &Image, row: usize, pages: Option<Pages>) -> bool {
    let state = image_state::FILLED + row as u32;
    let is_filled = pages.is_some_and(|pages| image.fill(row, state, pages));
    if !is_filled && !matches!(pages, Some(Pages::Open(_))) {
        // The kernel does not let us open the slots. The baseline, which was found to run here, stays; that
        // is worth a line even if nobody asked for one.
        let mut line = Line::EMPTY;
        message::unopened(&mut line, maps::path_of(image.state() as usize).as_slice());
        sys::write_stderr(line.end());
    }
    is_filled
}

/// The load of an image that takes functions or data from others, or lets them take its own.
pub struct PackageLoad<'a> {
    pub image: &'a Image,
    pub object: &'a Object<'a>,
    pub process: &'a Process,
    pub arguments: Option<Arguments>,
    /// Where import slots lead before they are filled.
    pub stub: usize,
    /// What is not there now will not come.
    pub is_last_attempt: bool,
}

impl PackageLoad<'_> {
    /// As [`fill`]; `open` opens the image's pages, `hold` is as in [`imports::fill`].
    pub fn fill(
        &self,
        open: impl FnOnce() -> Option<Opened>,
        surroundings: impl FnOnce() -> Surroundings,
        hold: impl Fn(&Entry, &Objects) -> bool,
    ) -> Result<(), Refusal> {
        let package = self.image.verified(self.object);
        let package = package.ok_or(Refusal::Damaged("list of functions of other images"))?;
        let opened = open();
        let pages = opened.as_ref().map(Pages::Open);
        let choice = choose(self.image, self.process, self.arguments, pages)?;
        if !package.dependencies.is_empty() {
            let surroundings = surroundings();
            let opened = opened.as_ref().ok_or(Refusal::Unopened)?;
            let taken = self.take(&package, opened, &surroundings, hold);
            if taken.is_err() && !self.is_last_attempt {
                self.image.unfill(opened);
            }
            taken?;
        }
        choice.as_ref().map(Choice::log);
        Ok(())
    }

    /// Fills import slots and references.
    fn take(
        &self,
        package: &Package,
        opened: &Opened,
        surroundings: &Surroundings,
        hold: impl Fn(&Entry, &Objects) -> bool,
    ) -> Result<(), Refusal> {
        let mut cells = Cells {
            slots: ImportSlots::of(self.image, self.stub, opened),
            references: ReferenceCells::of(self.image, *self.object, self.stub, opened),
        };
        let without = |dependency: &Dependency, fault| {
            if self.is_last_attempt {
                self.log_without(dependency, fault);
            }
            self.is_last_attempt
        };
        imports::fill(package, surroundings, &mut cells, hold, without).map_err(Refusal::Dependency)?;
        if !package.imports.is_empty() && !cells.slots.are_filled() {
            return Err(Refusal::Damaged("list of functions of other images"));
        }
        Ok(())
    }

    /// One line, if the user asked for it: the image runs its own copies of what it would have taken.
    fn log_without(&self, dependency: &Dependency, fault: Fault) {
        let settings = settings(self.process, self.arguments);
        if settings.log != Log::Off {
            let mut line = Line::EMPTY;
            let path = maps::path_of(self.image.state() as usize);
            message::without(&mut line, path.as_slice(), dependency, fault);
            log(line.end(), &settings);
        }
    }
}

/// What the user asked for; read once per process where the block is shared. `arguments` save reading
/// `/proc`.
pub fn settings(process: &Process, arguments: Option<Arguments>) -> Settings {
    process.settings(|| {
        let variables = arguments.map_or_else(variables, |arguments| arguments.variables());
        Settings::from_variables(&variables)
    })
}

/// Those of `wanted` that this CPU and kernel have, without the cap.
pub fn host(process: &Process, arguments: Option<Arguments>, wanted: FeatureSet) -> FeatureSet {
    process.host(wanted, |wanted| probe_arch::host(wanted, arguments))
}

/// Our variables in the environment that the process was started with; none in secure-execution mode
/// or when `/proc` cannot be read.
pub fn variables() -> Variables {
    let mut buffer = [0; 4096];
    let mut scanner = Scanner::NEW;
    if let Some(file) = File::open(c"/proc/self/environ") {
        while let Some(bytes) = file.read(&mut buffer) {
            scanner.feed(bytes);
        }
    }
    let variables = scanner.finish();
    if variables.is_empty() || is_secure_execution(&mut buffer) { Variables::EMPTY } else { variables }
}

fn is_secure_execution(buffer: &mut [u8]) -> bool {
    is_secure(sys::read_auxiliary(buffer))
}

/// One line per image for JL_LOAD_LOG; `address` is any in the image.
pub fn log_choice(specs: &Specs, target: usize, settings: &Settings, address: usize) {
    let mut line = Line::EMPTY;
    message::chosen(&mut line, maps::path_of(address).as_slice(), specs, target, settings);
    log(line.end(), settings);
}

fn log(line: &[u8], settings: &Settings) {
    match settings.log {
        Log::Off => {}
        Log::Stderr => sys::write_stderr(line),
        Log::File => {
            let mut path = variables().log;
            match path.as_c_str().and_then(File::append) {
                Some(file) => file.write(line),
                // Not silently: the user asked for a log.
                None => sys::write_stderr(line),
            }
        }
    }
}

/// Prints why an image is refused; `address` is any in the image.
pub fn print_refusal(subject: Subject, refusal: Refusal, address: usize) {
    let mut line = Line::EMPTY;
    message::refused(&mut line, maps::path_of(address).as_slice(), subject, refusal, &variables());
    sys::write_stderr(line.end());
}
