//! Where the cache is and how large it may be, by the environment.

use crate::size;
use std::ffi::OsString;
use std::path::PathBuf;

/// `JL_CACHE=0` turns the cache off.
pub const SWITCH: &str = "JL_CACHE";
/// The directory; without it `julienne` in `$XDG_CACHE_HOME`, or in `~/.cache`.
pub const DIRECTORY: &str = "JL_CACHE_DIR";
/// The limit in bytes, with K, M or G.
pub const SIZE: &str = "JL_CACHE_SIZE";
/// Some hundred builds of a program of a million lines.
pub const DEFAULT_BYTES: u64 = 5 << 30;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub dir: PathBuf,
    pub max_bytes: u64,
}

impl Settings {
    /// `None` where the cache is off or nothing says where it would be; and a warning where a value makes
    /// no sense.
    pub fn from_environment() -> (Option<Settings>, Option<String>) {
        Settings::from_variables(|name| std::env::var_os(name))
    }

    /// The same with any other way to look up variables.
    pub fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> (Option<Settings>, Option<String>) {
        if variable(SWITCH).is_some_and(|v| v == "0") {
            return (None, None);
        }
        let set = |name: &str| variable(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        // The XDG specification has relative paths ignored.
        let below = |name: &str| set(name).filter(|p| p.is_absolute());
        let dir = set(DIRECTORY)
            .or_else(|| below("XDG_CACHE_HOME").map(|p| p.join("julienne")))
            .or_else(|| below("HOME").map(|p| p.join(".cache/julienne")));
        let Some(dir) = dir else { return (None, None) };
        let Some(value) = variable(SIZE) else {
            return (Some(Settings { dir, max_bytes: DEFAULT_BYTES }), None);
        };
        let value = value.to_string_lossy();
        let asked = size::parse(&value);
        let warning = asked.is_none().then(|| {
            let default = size::show(DEFAULT_BYTES);
            format!("{SIZE}: found '{value}', expected bytes (with K, M or G), such as 20G; takes {default}")
        });
        (Some(Settings { dir, max_bytes: asked.unwrap_or(DEFAULT_BYTES) }), warning)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> (Option<Settings>, Option<String>) {
        Settings::from_variables(|name| variables.iter().find(|v| v.0 == name).map(|v| v.1.into()))
    }

    fn dir(variables: &[(&str, &str)]) -> Option<String> {
        settings(variables).0.map(|s| s.dir.display().to_string())
    }

    #[test]
    fn the_directory() {
        let all = [("JL_CACHE_DIR", "here"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")];
        assert_eq!(dir(&all).as_deref(), Some("here"));
        assert_eq!(dir(&all[1..]).as_deref(), Some("/x/julienne"));
        assert_eq!(dir(&all[2..]).as_deref(), Some("/h/.cache/julienne"));
        assert_eq!(dir(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]).as_deref(), Some("/h/.cache/julienne"));
        assert_eq!(dir(&[("JL_CACHE_DIR", ""), ("HOME", "/h")]).as_deref(), Some("/h/.cache/julienne"));
        assert_eq!(settings(&[]), (None, None));
        assert_eq!(settings(&[("JL_CACHE", "0"), ("JL_CACHE_DIR", "/c")]), (None, None));
        assert_eq!(dir(&[("JL_CACHE", "1"), ("JL_CACHE_DIR", "/c")]).as_deref(), Some("/c"));
    }

    #[test]
    fn the_size() {
        let of = |value| settings(&[("JL_CACHE_DIR", "/c"), ("JL_CACHE_SIZE", value)]);
        assert_eq!(of("20M").0.unwrap().max_bytes, 20 << 20);
        assert_eq!(settings(&[("JL_CACHE_DIR", "/c")]).0.unwrap().max_bytes, 5 << 30);
        let (settings, warning) = of("huge");
        assert_eq!(settings.unwrap().max_bytes, 5 << 30);
        assert_eq!(
            warning.unwrap(),
            "JL_CACHE_SIZE: found 'huge', expected bytes (with K, M or G), such as 20G; takes 5.0 GiB"
        );
    }
}
