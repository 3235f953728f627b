//! What was asked of emission. Pure text; no LLVM.

use std::path::PathBuf;

/// LLVM's optimisation levels.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Level {
    O0,
    O1,
    O2,
    #[default]
    O3,
    Os,
    Oz,
}

const LEVELS: [(Level, &str); 6] = [
    (Level::O0, "O0"),
    (Level::O1, "O1"),
    (Level::O2, "O2"),
    (Level::O3, "O3"),
    (Level::Os, "Os"),
    (Level::Oz, "Oz"),
];

impl Level {
    pub fn from_word(word: &str) -> Option<Level> {
        LEVELS.iter().find(|(_, name)| *name == word).map(|(level, _)| *level)
    }

    pub fn word(self) -> &'static str {
        LEVELS[self.number() as usize].1
    }

    /// As the shim numbers them.
    pub fn number(self) -> u32 {
        self as u32
    }

    /// Whether clang and opt vectorise at this level.
    pub fn vectorises(self) -> bool {
        !matches!(self, Level::O0 | Level::O1 | Level::Oz)
    }
}

/// What a shard comes out as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    #[default]
    Object,
    Assembly,
    /// Bitcode as it is before the second half of optimisation: what a job elsewhere starts from.
    Unoptimised,
    Optimised,
}

const FORMS: [(Form, &str, &str); 4] = [
    (Form::Object, "obj", "an object"),
    (Form::Assembly, "asm", "assembly"),
    (Form::Unoptimised, "unopt-bc", "bitcode before optimisation"),
    (Form::Optimised, "opt-bc", "optimised bitcode"),
];

impl Form {
    pub fn from_word(word: &str) -> Option<Form> {
        FORMS.iter().find(|(_, name, _)| *name == word).map(|(form, _, _)| *form)
    }

    pub fn word(self) -> &'static str {
        FORMS[self as usize].1
    }

    pub fn words(self) -> &'static str {
        FORMS[self as usize].2
    }
}

/// What `jl-partition` was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PartitionSettings {
    /// Weight of a shard; the module decides when nobody says.
    pub shard_weight: Option<u64>,
}

/// What `jl-emit` was told.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EmitSettings {
    pub level: Level,
    /// The front end has simplified the module: that half of LLVM's pipeline is left out.
    pub simplified: bool,
    /// The archive to write.
    pub out: Option<PathBuf>,
    pub form: Form,
    /// Folder for shards and job files, which are left there instead of an archive.
    pub jobs: Option<PathBuf>,
    pub partition: PartitionSettings,
    /// What is left for [`crate::settings::Settings`].
    pub rest: String,
}

impl EmitSettings {
    /// Parses `O3;simplified;out=FILE;form=obj;jobs=DIR;shard-weight=N;...`; what it does not know is left in `rest`.
    ///
    /// # Errors
    /// A sentence that names the piece and what is known.
    pub fn parse(text: &str) -> Result<EmitSettings, String> {
        let mut settings = EmitSettings::default();
        let mut rest = Vec::new();
        for piece in text.split(';').map(str::trim).filter(|p| !p.is_empty()) {
            match piece.split_once('=') {
                Some(("out", file)) if !file.is_empty() => settings.out = Some(file.into()),
                Some(("jobs", folder)) if !folder.is_empty() => settings.jobs = Some(folder.into()),
                Some(("form", word)) => {
                    settings.form = Form::from_word(word).ok_or_else(|| {
                        let known: Vec<&str> = FORMS.iter().map(|(_, word, _)| *word).collect();
                        format!("unknown form '{word}'; known are {}", known.join(", "))
                    })?;
                }
                Some(("shard-weight", number)) => {
                    let weight =
                        number.parse().ok().filter(|n| *n > 0).ok_or_else(|| {
                            format!("'shard-weight={number}': expected a whole number above 0")
                        })?;
                    settings.partition.shard_weight = Some(weight);
                }
                None if Level::from_word(piece).is_some() => {
                    settings.level = Level::from_word(piece).unwrap_or_default();
                }
                None if piece == "simplified" => settings.simplified = true,
                _ => rest.push(piece),
            }
        }
        if settings.jobs.is_some() && settings.form != Form::Object {
            return Err(format!(
                "jobs=... leaves jobs that make objects, but form={} was asked for",
                settings.form.word()
            ));
        }
        settings.rest = rest.join(";");
        Ok(settings)
    }
}
