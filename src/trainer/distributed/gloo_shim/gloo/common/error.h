#pragma once
// Nothing of it is used.
