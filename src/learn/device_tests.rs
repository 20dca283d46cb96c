//! Every network on the first GPU beside the processor: the same losses, up to rounding. Where there
//! is no GPU, it says so and compares nothing.

use super::*;

#[test]
fn every_network_learns_on_a_gpu_what_it_learns_on_the_processor() {
    let gpu = DeviceName::Cuda(0);
    if !DeviceName::available().contains(&gpu) {
        eprintln!("skipped: no GPU is there");
        return;
    }
    let (mut draw, mut worst) = (random::stream(1, "gpu"), 0f64);
    for (network, input) in networks() {
        let plain = spec(network, OptimizerSpec::default(), ScheduleSpec::default());
        let losses = |device| {
            let mut witness = Witness::new(input, &[0.5; EPOCHS]);
            run(&TrainerSpec { device, ..shaped(plain.clone()) }, input, &mut witness).unwrap();
            witness.epochs.into_iter().map(|(_, _, loss, _)| loss).collect::<Vec<_>>()
        };
        let (ours, theirs) = (losses(DeviceName::Cpu), losses(gpu));
        for (cpu, gpu) in ours.iter().zip(&theirs) {
            worst = worst.max((cpu - gpu).abs() / cpu.abs().max(1e-3));
        }
        println!("{}: cpu {ours:?}, gpu {theirs:?}", plain.network.name());
        assert_eq!(ours.len(), theirs.len());
        // Resuming is as exact on a GPU: nothing there is summed in an order of chance.
        let on_gpu = TrainerSpec { device: gpu, ..plain };
        survives(&on_gpu, input, &[0.5; EPOCHS], &mut draw);
    }
    println!("largest relative difference of a loss: {worst:e}");
    assert!(worst < 1e-3, "{worst}");
}
