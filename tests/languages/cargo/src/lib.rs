/// ```
/// let mut signal = vec![1.0; 9];
/// pipeline::amplify(&mut signal, &[1.0; 9]);
/// assert_eq!(signal[8], 4.0);
/// ```
#[inline(never)]
pub fn amplify(signal: &mut [f64], noise: &[f64]) {
    for (x, y) in signal.iter_mut().zip(noise) {
        *x = *x * macros::gain!() + y;
    }
}

#[inline(never)]
fn energy(signal: &[f64]) -> Result<f64, std::num::TryFromIntError> {
    let length = i32::try_from(signal.len())?;
    Ok(signal.iter().map(|x| x * x).sum::<f64>() / f64::from(length))
}

/// For callers in other languages.
#[unsafe(no_mangle)]
pub extern "C" fn pipeline_energy(length: usize) -> f64 {
    let mut signal: Vec<f64> = (0..length).map(|i| (i % 29) as f64).collect();
    let noise: Vec<f64> = signal.iter().rev().map(|x| x * 0.125).collect();
    amplify(&mut signal, &noise);
    // A panic in a clone unwinds through its callers.
    let caught = std::panic::catch_unwind(|| signal[length + 1]);
    if caught.is_ok() { f64::NAN } else { energy(&signal).unwrap_or(f64::NAN) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn energy_of_a_known_signal() {
        assert_eq!(super::energy(&[3.0, 4.0]), Ok(12.5));
    }

    #[test]
    fn the_users_configuration_holds() {
        assert!(cfg!(from_configuration));
    }
}
