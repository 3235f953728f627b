//! Empty: this package only names crates whose C sources are wanted.
