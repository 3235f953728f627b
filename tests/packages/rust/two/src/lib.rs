//! A library that does what the common one does, with other numbers.

common::library!(two, 17, 5);
