//! A program that does what the images below it do, with other numbers.

mod own {
    common::library!(program, 13, 6);
}

fn main() {
    for count in (20..400).step_by(90) {
        println!("{} {}", own::program(count), middle::middle(count));
        let numbers: Vec<u64> = (0..count).map(|number| number * 37 % 101).collect();
        println!("{:?}", middle::by_length(&numbers)[0]);
        // Thrown in the image between, and caught here.
        let caught = std::panic::catch_unwind(|| middle::by_length(&[count; 3]).len());
        println!("{:?}", caught.map_err(|panic| panic.downcast::<String>().ok()));
    }
}
