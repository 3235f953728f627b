//! A library that does what the common one does, with other numbers.

common::library!(one, 31, 3);
