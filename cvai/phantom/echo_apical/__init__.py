"""A synthetic study of two apical ultrasound loops whose left ventricle is known in closed form."""
