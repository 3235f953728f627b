fn main() {
    std::panic::set_hook(Box::new(|_| {}));
    let handles: Vec<_> =
        (1..5).map(|n| std::thread::spawn(move || pipeline::pipeline_energy(n * 1000 + n))).collect();
    for handle in handles {
        println!("{:?}", handle.join());
    }
    println!("{} {}", env!("BUILT_FOR"), cfg!(from_configuration));
}
