#pragma once

namespace roost::trainer {

// Lets torch's threads sleep while they wait for each other. On their own they turn in circles for
// some milliseconds first, which takes the processor from the threads that decode images and from
// other programs: beside these a step took more than twice its processor time. OpenMP reads its
// settings when it is loaded, so this starts the program anew, once and in the same process, with
// OMP_WAIT_POLICY=passive; afterwards the environment is as it was. Where the user has set
// OMP_WAIT_POLICY or GOMP_SPINCOUNT nothing is done. First thing in main, before there are threads.
void WaitPassively(char** argv);

}  // namespace roost::trainer
